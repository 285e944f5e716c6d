"""FER+'s votes: ten annotators' on each image of FER2013, and the protocols that make labels of them.

Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution", ICMI
2016; microsoft/FERPlus. Which images count as the test set differs from paper to paper: see :data:`PROTOCOLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: The order of the first eight columns of FER+'s votes; two more are "unknown" and "not a face".
FERPLUS_LABELS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt",
)  # fmt: skip
Protocol = Literal["plurality", "majority", "cross-entropy", "raw"]
#: The protocol where none is named.
PLURALITY: Protocol = "plurality"
Labels = tuple[NDArray[np.int64], NDArray[np.bool_]]
#: Of the votes: the authors' cross-entropy mode keeps classes, the most-voted first, until they have this share ...
_ENOUGH = 0.75
#: ... or are this many.
_CLASSES = 3


def ferplus_majority(votes: NDArray[np.int16]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each row's most-voted of the ten columns, and whether it is one of the eight emotions.

    Ties go to the first column. The most votes suffice, where the FER+ authors' majority mode also asks for
    more than half of them (their ``ferplus.py``). Rows without votes (-1) are not valid.
    """
    winner = votes.argmax(axis=1).astype(np.int64)
    return winner, (winner < len(FERPLUS_LABELS)) & (votes.sum(axis=1) > 0)


def ferplus_agreed(votes: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return whether more than half of each row's votes are for one column, bool (N,).

    The FER+ authors' majority mode, on which published FER+ accuracies are measured, keeps these rows only: single
    votes are dropped first, those for "unknown" and "not a face" count (``_process_data`` of their ``ferplus.py``).
    """
    counts = np.where(votes > 1, votes, 0)
    agreed: NDArray[np.bool_] = counts.max(axis=1) > 0.5 * counts.sum(axis=1)
    return agreed


def ferplus_distribution(votes: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the votes for the eight emotions as float32 (N, 8) that sum to 1.

    A single vote of ten is an outlier and dropped (the FER+ authors' rule), unless nothing else is left.
    """
    counts = votes[:, : len(FERPLUS_LABELS)].clip(min=0).astype(np.float32)
    kept = np.where(counts > 1, counts, 0)
    kept = np.where(kept.sum(axis=1, keepdims=True) > 0, kept, counts)
    total = kept.sum(axis=1, keepdims=True)
    distribution: NDArray[np.float32] = np.divide(kept, total, out=np.zeros_like(kept), where=total > 0)
    return distribution


def _kept_by_majority(votes: NDArray[np.int16]) -> Labels:
    winner, valid = ferplus_majority(votes)
    return winner, valid & ferplus_agreed(votes)


def _kept_by_cross_entropy(votes: NDArray[np.int16]) -> Labels:
    """Return what ``_process_data`` of the authors' ``ferplus.py`` keeps in its mode "crossentropy".

    Single votes aside, classes are taken from the most-voted down until they have 75 % of the votes or are three;
    "unknown" and "not a face" end it. What was taken must have more than half of the votes.
    """
    winner, valid = ferplus_majority(votes)
    kept = np.array([_is_told(row) for row in np.where(votes > 1, votes, 0)], dtype=bool)
    return winner, valid & kept


def _is_told(counts: NDArray[np.int16]) -> bool:
    total, taken, classes = int(counts.sum()), 0, 0
    for votes in sorted({int(count) for count in counts if count > 0}, reverse=True):
        if taken >= _ENOUGH * total or classes >= _CLASSES:
            break
        tied = np.flatnonzero(counts == votes)
        emotions = tied[tied < len(FERPLUS_LABELS)]
        taken, classes = taken + votes * len(emotions), classes + len(emotions)
        if len(emotions) < len(tied):
            break
    return total > 0 and taken > 0.5 * total and classes <= _CLASSES


def _raw(votes: NDArray[np.int16]) -> Labels:
    winner = votes.argmax(axis=1).astype(np.int64)
    return winner, winner < len(FERPLUS_LABELS)


@dataclass(frozen=True)
class _Rule:
    """A protocol: from votes int16 (N, 10) to targets int64 (N,) and which images count, bool (N,)."""

    apply: Callable[[NDArray[np.int16]], Labels]
    passed_over: str


#: The protocols in use, by name. Images of PrivateTest: 3,546, 3,153, 3,505 and 3,562.
PROTOCOLS: Mapping[Protocol, _Rule] = MappingProxyType(
    {
        "plurality": _Rule(ferplus_majority, "voted unknown or no face, or without votes"),
        "majority": _Rule(_kept_by_majority, "without a majority for one emotion"),
        "cross-entropy": _Rule(
            _kept_by_cross_entropy, "without half of the votes for at most three emotions"
        ),
        # Rows without votes count as the first class, neutral: for comparison with figures made so.
        "raw": _Rule(_raw, "voted unknown or no face"),
    }
)
