"""The data set that everybody has: faces drawn by code, for a job without photographs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.data.drawn_faces import EXPRESSIONS, Expression, draw_face
from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.data.preprocess import face_pixels

#: Images of each split. Calibration takes its share of the first; parity and flips are counted on the last.
COUNTS: Mapping[str, int] = MappingProxyType({"train": 256, "validation": 64, "test": 320})
_SEEDS = {"train": 1, "validation": 2, "test": 3}
#: Side of a drawn picture, pixels, as FER2013 has it.
_SIDE = 48
#: Other names of the eight expressions, as in FER2013, RAF-DB and AffectNet.
_SYNONYMS = {
    "happy": "happiness", "sad": "sadness", "angry": "anger", "surprised": "surprise", "fearful": "fear",
    "disgusted": "disgust", "calm": "neutral", "neutrality": "neutral",
}  # fmt: skip
#: Of light skin in warm light, per channel, per grey value.
_TINT = np.array([1.1, 0.97, 0.87], dtype=np.float32)


def sample_faces(
    role: Literal["train", "validation", "test"], labels: tuple[str, ...], spec: InputSpec
) -> Faces:
    """Return drawn faces of a split, preprocessed by a contract: the same on every machine.

    Classes go round in the order of ``labels``. One that is no expression we can draw gets another's, since nothing is
    said of the accuracy on drawn faces anyway.
    """
    count = COUNTS[role]
    generator = np.random.default_rng(_SEEDS[role])
    targets = (np.arange(count) % len(labels)).astype(np.int64)
    shown = [_expression(label, index) for index, label in enumerate(labels)]
    pixels = np.stack(
        [face_pixels(_picture(draw_face(shown[target], _SIDE, generator)), spec) for target in targets]
    )
    return Faces(
        name=f"sample (drawn faces), {role}",
        labels=labels,
        pixels=pixels,
        targets=targets,
        distribution=one_hot(targets, len(labels)),
        rows=np.arange(count, dtype=np.int64),
        leaked=np.zeros(count, dtype=np.bool_),
        drawn=True,
    )


def _expression(label: str, index: int) -> Expression:
    name = label.strip().lower()
    name = _SYNONYMS.get(name, name)
    return EXPRESSIONS.get(name, list(EXPRESSIONS.values())[index % len(EXPRESSIONS)])


def _picture(grey: NDArray[np.uint8]) -> Image.Image:
    coloured = np.clip(grey[..., None] * _TINT, 0, 255).astype(np.uint8)
    return Image.fromarray(coloured)
