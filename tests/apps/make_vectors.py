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

from fer_deploy.contract import Confidence, Contract, InputSpec, NoFace, TrainedOn
from fer_deploy.data.preprocess import Box, face_pixels, widened
from fer_deploy.files import write_atomic
from fer_deploy.targets.prediction import no_face_features, prediction_of

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
        "answers": [_answer(draw, row) for row in ANSWERS],
        "quantiles": [_quantiles(draw, count) for count in (1, 2, 7, 300)],
    }


def _widening(draw: random.Random) -> dict[str, Any]:
    left, top = draw.randint(-50, 500), draw.randint(-50, 500)
    box = (left, top, left + draw.randint(1, 400), top + draw.randint(1, 400))
    margin = draw.choice(MARGINS)
    return {"box": box, "margin": margin, "widened": widened(box, margin)}


@dataclass(frozen=True)
class Answered:
    """How the logits of one answer are drawn, and the contract that they are answered under."""

    classes: int
    temperature: float
    unsure_below: float
    mean: float = 0.0
    spread: float = 8.0
    no_face_score: float | None = None
    """What the rule is made to give, so that every seed has the same answers; None: a contract without one."""
    above: float = 0.7


#: What each language has to tell apart: a label, "unsure" and "no face", with a rule and without, and logits whose
#: exponentials no double holds.
ANSWERS = (
    Answered(2, 1.0, 0.0),
    Answered(7, 1.0, 0.0),
    Answered(8, 0.7, 0.6),
    Answered(8, 2.5, 0.99),
    Answered(8, 12.0, 0.6),
    Answered(7, 25.0, 0.3),
    Answered(7, 1.0, 0.0, no_face_score=-1.5),
    Answered(8, 0.7, 0.0, no_face_score=0.5),  # a probability of 0.62, which is not above 0.7
    Answered(8, 25.0, 0.9, no_face_score=-0.5),
    Answered(8, 0.7, 0.0, no_face_score=1.5),
    Answered(7, 25.0, 0.9, no_face_score=2.5),  # unsure as well: "no face" goes first
    Answered(7, 1.0, 0.0, spread=1000.0, no_face_score=-1.5),
    Answered(8, 1.0, 0.0, mean=1000.0, no_face_score=1.5),
    Answered(8, 12.0, 0.9, mean=-1000.0, no_face_score=-0.5, above=0.4),
    Answered(7, 1.0, 0.0, no_face_score=-900.0),
    Answered(7, 1.0, 0.0, no_face_score=900.0),
)


def _answer(draw: random.Random, row: Answered) -> dict[str, Any]:
    drawn = [[draw.gauss(row.mean, row.spread) for _ in range(row.classes)]]
    logits = np.array(drawn, dtype=np.float32)
    rule = None if row.no_face_score is None else _rule(draw, logits, row.no_face_score, row.above)
    contract = Contract(
        labels=tuple(f"label {index}" for index in range(row.classes)),
        input=InputSpec(height=16, width=16, color="grey", mean=(0.0,), std=(1.0,)),
        trained_on=TrainedOn(dataset="none"),
        confidence=Confidence(
            temperature=row.temperature, unsure_below=row.unsure_below, fitted_on="none", no_face=rule
        ),
    )
    said = prediction_of(logits[0], contract)
    why = "no face" if not said.is_face else "unsure" if said.unsure else None
    return {
        "logits": logits[0].tolist(),
        "temperature": row.temperature,
        "unsure_below": row.unsure_below,
        "no_face": rule and rule.model_dump(mode="json", include={"weights", "energy", "bias", "above"}),
        "probabilities": list(said.probabilities.values()),
        "no_face_probability": said.no_face,
        "answer": contract.labels.index(said.label) if said.answered else None,
        "why": why,
    }


def _rule(draw: random.Random, logits: NDArray[np.float32], score: float, above: float) -> NoFace:
    """Return a rule that gives ``logits`` about this score: its bias makes up for weights drawn at random."""
    weights = tuple(round(draw.gauss(0, 0.3), 4) for _ in range(logits.shape[1]))
    energy = round(draw.gauss(-0.5, 0.1), 4)
    without_bias = float((no_face_features(logits) @ np.array([*weights, energy]))[0])
    bias = round(score - without_bias, 4)
    return NoFace(weights=weights, energy=energy, bias=bias, above=above, kept=0.99, fitted_on="none")


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
