"""Figures under corruption, counted from which pictures were answered rightly: of a run, and again by the gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fer_deploy.measure.counted import NO_PEOPLE, packed_flags, proportion, unpacked_flags
from fer_deploy.measure.figures import CorruptedFigures, CorruptedKind
from fer_deploy.measure.measurement import Measurement, Unit, measured, not_measured
from fer_deploy.measure.statistics import share_interval

Flags = NDArray[np.bool_]


class KindOf(NamedTuple):
    """What a kind of corruption is called, whether a training may use it, and its strengths with their unit."""

    kind: str
    role: str
    strengths: tuple[str, ...]


def counted_corrupted(
    kinds: Sequence[KindOf], right: Flags | None, same: Flags | None, images: int, seed: int
) -> CorruptedFigures:
    """Return the figures of pictures that were answered rightly, and as the reference did.

    Args:
        kinds: in the order of the pictures.
        right: bool (1 + all severities of all kinds, N), the clean images first; None where nobody can know.
        same: likewise; None of the reference itself.
        images: N.
        seed: of the draw and of every corruption.
    """
    unknown = not_measured(Unit.FRACTION, NO_PEOPLE)
    held_out = [right[rows] for kind, rows in _rows(kinds) if kind.role == "held out" and right is not None]
    return CorruptedFigures(
        images=images,
        seed=seed,
        clean=unknown if right is None else proportion(right[0]),
        accuracy=unknown if right is None else _mean(right[1:]),
        held_out=_mean(np.concatenate(held_out)) if held_out else unknown,
        agreement=None if same is None else _mean(same[1:]),
        kinds=tuple(
            CorruptedKind(
                kind=kind.kind,
                role=kind.role,
                strengths=kind.strengths,
                accuracies=tuple(
                    unknown if right is None else proportion(right[row])
                    for row in range(rows.start, rows.stop)
                ),
                accuracy=unknown if right is None else _mean(right[rows]),
                agreement=None if same is None else _mean(same[rows]),
            )
            for kind, rows in _rows(kinds)
        ),
        right=None if right is None else packed_flags(right.ravel()),
        same=None if same is None else packed_flags(same.ravel()),
    )


def counted_again(figures: CorruptedFigures) -> CorruptedFigures:
    """Return what the flags in ``figures`` give.

    Raises:
        ValueError: the flags are of another number of pictures.
    """
    kinds = [KindOf(one.kind, one.role, one.strengths) for one in figures.kinds]
    views = 1 + sum(len(kind.strengths) for kind in kinds)
    right, same = (
        None if text is None else unpacked_flags(text, views * figures.images).reshape(views, -1)
        for text in (figures.right, figures.same)
    )
    return counted_corrupted(kinds, right, same, figures.images, figures.seed)


def _rows(kinds: Sequence[KindOf]) -> Iterator[tuple[KindOf, slice]]:
    """Yield each kind and where its pictures lie, behind the clean ones."""
    first = 1
    for kind in kinds:
        yield kind, slice(first, first + len(kind.strengths))
        first += len(kind.strengths)


def _mean(cells: Flags) -> Measurement:
    """Return the share of True in (M, N), with an interval over the N images: the M answers about one are not apart."""
    each = cells.mean(axis=0)
    conditions = {"images": cells.shape[1], "pictures of each": cells.shape[0]}
    return measured(float(each.mean()), Unit.FRACTION, share_interval(each), conditions)
