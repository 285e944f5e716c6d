"""Accuracy and flips under corruption: noise, blur, few pixels, bad light, pose (:mod:`fer_deploy.data.corruptions`).

Every kind and severity is applied to the same images, from generators of their own, so that two models see the very
same pictures wherever and in whatever order they are asked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.corruptions import CORRUPTIONS, SEVERITIES
from fer_deploy.data.faces import Faces
from fer_deploy.measure.corrupted_counts import KindOf, counted_corrupted
from fer_deploy.measure.figures import CorruptedFigures
from fer_deploy.measure.subject import Inference

Logits = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def some_of(faces: Faces, images: int, seed: int) -> Faces:
    """Return ``images`` of ``faces`` drawn by ``seed``, in their order; all where there are no more."""
    if images >= len(faces):
        return faces
    drawn = np.random.default_rng(seed).permutation(len(faces))[:images]
    return faces.subset(np.sort(drawn))


def corrupted_pixels(pixels: Pixels, kind: str, severity: int, seed: int) -> Pixels:
    """Return uint8 (N, C, H, W) under one corruption; the same arguments give the same pictures everywhere."""
    import torch

    place = list(CORRUPTIONS).index(kind) * SEVERITIES + severity
    generator = torch.Generator().manual_seed(seed * 1000 + place)
    changed = CORRUPTIONS[kind](torch.from_numpy(pixels).float(), severity, generator)
    return changed.to(torch.uint8).numpy()


def corrupted_inference(answer: Callable[[Pixels], Inference], faces: Faces, seed: int) -> Inference:
    """Return the answers to ``faces`` as they are and then under every kind and severity, in that order.

    Args:
        answer: takes uint8 (N, C, H, W) and returns logits (N, K).
        faces: the images.
        seed: of the corruptions.

    Returns:
        Logits float32 ((1 + kinds * severities) * N, K).
    """
    clean = answer(faces.pixels)
    parts = [clean.logits]
    for kind in CORRUPTIONS:
        # A kind at a time: all of them at once would be gigabytes for a large input.
        views = [corrupted_pixels(faces.pixels, kind, severity, seed) for severity in _severities()]
        parts.append(answer(np.concatenate(views)).logits)
    return Inference(np.concatenate(parts), clean.emulation)


def corrupted_figures(
    logits: Logits, faces: Faces, seed: int, reference: Logits | None = None
) -> CorruptedFigures:
    """Return the figures of :func:`corrupted_inference`'s logits.

    Args:
        logits: ((1 + kinds * severities) * N, K).
        faces: the N images.
        seed: of the corruptions.
        reference: the same of the float model, for flips.
    """
    answers = logits.argmax(axis=1).reshape(-1, len(faces))
    right = None if faces.drawn else answers == faces.targets
    same = None if reference is None else answers == reference.argmax(axis=1).reshape(answers.shape)
    kinds = [
        KindOf(name, one.role, tuple(f"{strength:g} {one.unit}" for strength in one.strengths))
        for name, one in CORRUPTIONS.items()
    ]
    return counted_corrupted(kinds, right, same, len(faces), seed)


def _severities() -> range:
    return range(1, SEVERITIES + 1)
