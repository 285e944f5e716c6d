"""Writes the vectors that the Python, Kotlin and Swift preprocessing must agree on, byte for byte.

    python tests/apps/make_vectors.py                            # rewrites the committed file
    python tests/apps/make_vectors.py --seed 7 --count 2000 FILE # others of the same kind, for a wide check

The expected bytes come from the reference, ``fer_deploy.data.preprocess``. The pictures themselves are not
stored: each is a formula in integers (:func:`picture`) that every language's test repeats in a few lines.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_deploy.contract import Confidence, Contract, InputSpec, TrainedOn
from fer_deploy.data.preprocess import Box, face_pixels, widened
from fer_deploy.files import write_atomic
from fer_deploy.targets.prediction import prediction_of

COMMITTED = Path(__file__).with_name("vectors") / "preprocessing.json"
SEED, COUNT = 20, 240
PATTERNS = ("noise", "extremes", "waves")
MARGINS = (0.0, 0.05, 0.1, 0.125, 0.25, 0.3, 1 / 3, 0.5, 1.0)
_TURNS = {1: Image.Transpose.ROTATE_270, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_90}


@dataclass(frozen=True)
class Case:
    """One picture and what to cut out of it; every field is written to the file."""

    pattern: str
    seed: int
    width: int
    height: int
    source: str
    """``rgb``, or ``grey`` with three equal channels."""
    clockwise_quarter_turns: int
    """How the camera's picture is turned to stand upright, before the box is cut out."""
    box: Box | None
    color: str
    resize: str
    crop_margin: float
    out_width: int
    out_height: int


def picture(case: Case) -> NDArray[np.uint8]:
    """Return the picture of a case, uint8 (height, width, 3).

    Values v are drawn row by row, per pixel one (grey) or three (rgb): noise and extremes from Marsaglia's
    xorshift32 started at the seed (the upper 8 bits; extremes: 255 from 128 on, else 0), waves from
    (7 x + 13 y + 85 c + seed) mod 256, whose jumps overshoot.
    """
    channels = 1 if case.source == "grey" else 3
    shape = (case.height, case.width, channels)
    if case.pattern == "waves":
        y, x, c = np.indices(shape)
        values = (7 * x + 13 * y + 85 * c + case.seed) % 256
    else:
        state, drawn = case.seed, []
        for _ in range(case.height * case.width * channels):
            state ^= state << 13 & 0xFFFFFFFF
            state ^= state >> 17
            state ^= state << 5 & 0xFFFFFFFF
            drawn.append(state >> 24)
        values = np.array(drawn).reshape(shape)
        if case.pattern == "extremes":
            values = (values >= 128) * 255
    return np.broadcast_to(values.astype(np.uint8), (*shape[:2], 3))


def expected(case: Case) -> NDArray[np.uint8]:
    """Return what the reference makes of a case, uint8 (C, out_height, out_width)."""
    image = Image.fromarray(np.ascontiguousarray(picture(case)))
    if case.clockwise_quarter_turns:
        image = image.transpose(_TURNS[case.clockwise_quarter_turns])
    channels = 1 if case.color == "grey" else 3
    spec = InputSpec.model_validate(
        {
            "height": case.out_height,
            "width": case.out_width,
            "color": case.color,
            "resize": case.resize,
            "crop_margin": case.crop_margin,
            "mean": (128.0,) * channels,
            "std": (64.0,) * channels,
        }
    )
    return face_pixels(image, spec, case.box)


def cases(seed: int, count: int) -> list[Case]:
    """Return ``count`` cases: every kernel, colour, turn and pattern in turn; sizes and boxes at random."""
    draw = random.Random(seed)
    return [_case(draw, index) for index in range(count)]


def _case(draw: random.Random, index: int) -> Case:
    long, short = draw.randint(33, 140), draw.randint(1, 90)
    width, height = (long, short) if draw.random() < 0.5 else (short, long)
    turns = draw.randrange(4)
    upright = (width, height) if turns % 2 == 0 else (height, width)
    # One in thirty has the sizes that models are really given; the others stay small for the file's sake.
    sizes = draw.choice(((48, 48), (64, 64), (100, 100))) if index % 30 == 0 else None
    out_width, out_height = sizes or (draw.randint(16, 29), draw.randint(16, 29))
    return Case(
        pattern=PATTERNS[index % 3],
        seed=draw.randint(1, 2**31),
        width=width,
        height=height,
        source="grey" if index % 5 == 0 else "rgb",
        clockwise_quarter_turns=turns,
        box=_box(draw, *upright),
        color="rgb" if index % 4 == 0 and sizes is None else "grey",
        resize="bilinear" if index // 4 % 2 == 0 else "bicubic",
        crop_margin=draw.choice(MARGINS),
        out_width=out_width,
        out_height=out_height,
    )


def _box(draw: random.Random, width: int, height: int) -> Box | None:
    kind = draw.choice(("none", "inside", "border", "border", "outside", "tiny"))
    if kind == "none":
        return None
    if kind == "inside":
        left, top = draw.randrange(width), draw.randrange(height)
        return left, top, draw.randint(left + 1, width), draw.randint(top + 1, height)
    if kind == "outside":  # nothing but black, unless the margin reaches back into the picture
        return width + 3, -30, width + 40, -2
    left, top = draw.randint(-25, width - 1), draw.randint(-25, height - 1)
    if kind == "tiny":
        return left, top, left + draw.randint(1, 3), top + draw.randint(1, 3)
    return left, top, left + draw.randint(5, 110), top + draw.randint(5, 110)


def document(seed: int = SEED, count: int = COUNT) -> dict[str, Any]:
    """Return the content of the vector file."""
    draw = random.Random(seed)
    vectors = [
        asdict(case) | {"pixels_base64": base64.b64encode(expected(case).tobytes()).decode()}
        for case in cases(seed, count)
    ]
    boxes = [_widening(draw) for _ in range(40)]
    return {
        "vectors": vectors,
        "widened": boxes,
        "softmax": [_softmax(draw, classes, temperature, below) for classes, temperature, below in _ANSWERS],
        "quantiles": [_quantiles(draw, count) for count in (1, 2, 7, 300)],
    }


def _widening(draw: random.Random) -> dict[str, Any]:
    left, top = draw.randint(-50, 500), draw.randint(-50, 500)
    box = (left, top, left + draw.randint(1, 400), top + draw.randint(1, 400))
    margin = draw.choice(MARGINS)
    return {"box": box, "margin": margin, "widened": widened(box, margin)}


#: Classes, temperature and the probability below which there is no answer; the last one's logits are close.
_ANSWERS = ((2, 1.0, 0.0), (7, 1.0, 0.0), (8, 0.7, 0.6), (8, 2.5, 0.99), (8, 12.0, 0.6), (7, 25.0, 0.3))


def _softmax(draw: random.Random, classes: int, temperature: float, below: float) -> dict[str, Any]:
    logits = np.array([[draw.gauss(0, 8) for _ in range(classes)]], dtype=np.float32)
    contract = Contract(
        labels=tuple(f"label {index}" for index in range(classes)),
        input=InputSpec(height=16, width=16, color="grey", mean=(0.0,), std=(1.0,)),
        trained_on=TrainedOn(dataset="none"),
        confidence=Confidence(temperature=temperature, unsure_below=below, fitted_on="none"),
    )
    said = prediction_of(logits[0], contract)
    return {
        "logits": logits[0].tolist(),
        "temperature": temperature,
        "unsure_below": below,
        "probabilities": list(said.probabilities.values()),
        "answer": None if said.unsure else contract.labels.index(said.label),
    }


def _quantiles(draw: random.Random, count: int) -> dict[str, Any]:
    samples = [round(draw.lognormvariate(0, 0.5), 6) for _ in range(count)]
    return {"samples": samples, **{f"p{p}": float(np.quantile(samples, p / 100)) for p in (50, 90, 95, 99)}}


def text(content: dict[str, Any]) -> str:
    """Return the document as JSON, one vector a line."""
    lines = []
    for key, rows in content.items():
        lines.append(f'"{key}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=COMMITTED)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, default=COUNT)
    arguments = parser.parse_args()
    write_atomic(arguments.file, text(document(arguments.seed, arguments.count)))


if __name__ == "__main__":
    main()
