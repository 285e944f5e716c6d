"""Accuracy and flips under corruption: noise, blur, few pixels, bad light, pose (:mod:`fer_deploy.data.corruptions`).

Every kind and severity is applied to the same images, from generators of their own, so that two models see the very
same pictures wherever and in whatever order they are asked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.corruptions import CORRUPTIONS, SEVERITIES, Corruption
from fer_deploy.data.faces import Faces
from fer_deploy.measure.counted import NO_PEOPLE, proportion
from fer_deploy.measure.figures import CorruptedFigures, CorruptedKind
from fer_deploy.measure.measurement import Interval, Measurement, Unit, measured, not_measured
from fer_deploy.measure.subject import Inference

Logits = NDArray[np.float32]
Pixels = NDArray[np.uint8]
#: Normal quantile of a two-sided 95 % interval.
_Z = 1.959964


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
    right = answers == faces.targets
    same = None if reference is None else answers == reference.argmax(axis=1).reshape(answers.shape)
    unknown = not_measured(Unit.FRACTION, NO_PEOPLE) if faces.drawn else None
    kinds = tuple(
        _kind(name, corruption, right[rows], None if same is None else same[rows], unknown)
        for (name, corruption), rows in zip(CORRUPTIONS.items(), _rows(), strict=True)
    )
    held_out = np.concatenate(
        [
            right[rows]
            for one, rows in zip(CORRUPTIONS.values(), _rows(), strict=True)
            if one.role == "held out"
        ]
    )
    return CorruptedFigures(
        images=len(faces),
        seed=seed,
        clean=unknown or proportion(right[0]),
        accuracy=unknown or _mean(right[1:]),
        held_out=unknown or _mean(held_out),
        agreement=None if same is None else _mean(same[1:]),
        kinds=kinds,
    )


def _severities() -> range:
    return range(1, SEVERITIES + 1)


def _rows() -> list[slice]:
    """Return where each kind's answers lie, those to the clean images being first."""
    return [slice(1 + SEVERITIES * place, 1 + SEVERITIES * (place + 1)) for place in range(len(CORRUPTIONS))]


def _kind(
    name: str,
    corruption: Corruption,
    right: NDArray[np.bool_],
    same: NDArray[np.bool_] | None,
    unknown: Measurement | None,
) -> CorruptedKind:
    return CorruptedKind(
        kind=name,
        role=corruption.role,
        strengths=tuple(f"{strength:g} {corruption.unit}" for strength in corruption.strengths),
        accuracies=tuple(unknown or proportion(one) for one in right),
        accuracy=unknown or _mean(right),
        agreement=None if same is None else _mean(same),
    )


def _mean(cells: NDArray[np.bool_]) -> Measurement:
    """Return the share of True in (M, N), with an interval over the N images: the M answers about one are not apart."""
    each = cells.mean(axis=0)
    value = float(each.mean())
    conditions = {"images": cells.shape[1], "pictures of each": cells.shape[0]}
    if len(each) < 2:
        return measured(value, Unit.FRACTION, conditions=conditions)
    half = _Z * float(each.std(ddof=1)) / float(np.sqrt(len(each)))
    interval = Interval(
        low=max(0.0, value - half), high=min(1.0, value + half), method="95 %, normal over images"
    )
    return measured(value, Unit.FRACTION, interval, conditions)
