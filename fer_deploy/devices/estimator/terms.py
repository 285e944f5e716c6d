"""Fits cost terms: shared by all rows, then by a family of kernels, then by one device and its threads."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.estimator.rows import CalibrationRow, Precision
from fer_deploy.devices.estimator.workload import PRIOR, RIDGE, workload

Array = NDArray[np.float64]
Group = tuple[str, str, str, int, Precision]
Family = tuple[str, Precision]
Key = TypeVar("Key", bound=Hashable)

#: Strength of the pull to the level above, in rows' worth of squared relative error. Results move by less
#: than a point between a third and three times these values.
_PULL_ALL, _PULL_FAMILY, _PULL_INT8, _PULL_GROUP = 0.05, 0.3, 3.0, 1.0
#: Smallest term relative to the largest, so that a pull stays defined.
_FLOOR = 1e-4
_ROUNDS, _REWEIGHTS = 4, 5


@dataclass(frozen=True)
class Terms:
    """Fitted cost terms, milliseconds per unit of :data:`~.workload.TERMS`, each float64 (8,).

    Attributes:
        groups: per device, runtime, cores, threads and precision.
        families: per kernels and precision, up to a factor.
        rows: what each group was fitted on.
    """

    groups: dict[Group, Array]
    families: dict[Family, Array]
    rows: dict[Group, tuple[CalibrationRow, ...]]
    ridge: float


def solve(amounts: Array, milliseconds: Array, prior: Array, pull: float) -> Array:
    """Return non-negative terms, float64 (8,), with ``amounts @ terms`` near ``milliseconds`` in ratio.

    Minimises squared relative error, reweighted to approach squared log error, plus ``pull`` times the squared
    relative distance from ``prior``.
    """
    terms = prior
    for _ in range(_REWEIGHTS):
        scale = np.sqrt(np.maximum(amounts @ terms, 1e-9) * milliseconds)
        terms = _ridge(amounts / scale[:, None], milliseconds / scale, prior, pull)
    return terms


def _ridge(matrix: Array, target: Array, prior: Array, pull: float) -> Array:
    normal = matrix.T @ matrix + np.diag(pull / prior**2)
    right = matrix.T @ target + pull / prior
    free = np.ones(len(prior), dtype=bool)
    while True:  # a term driven below zero is fixed at zero; ends after at most one round per term
        terms = np.zeros(len(prior))
        terms[free] = np.linalg.solve(normal[np.ix_(free, free)], right[free])
        if (terms >= 0).all():
            return terms
        free &= terms > 0


def grouped(
    rows: Iterable[CalibrationRow], key: Callable[[CalibrationRow], Key]
) -> dict[Key, list[CalibrationRow]]:
    """Return the rows by ``key``, in order."""
    found: dict[Key, list[CalibrationRow]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return dict(found)


def _family(row: CalibrationRow) -> Family:
    return (row.runtime, row.precision)


def _floored(terms: Array) -> Array:
    floored: Array = np.maximum(terms, _FLOOR * terms.max())
    return floored


def fit_terms(rows: Sequence[CalibrationRow], ridge: float = RIDGE) -> Terms:
    """Return the terms fitted on ``rows``; integer families are drawn to their float ones."""
    amounts = {
        id(row): row.amounts if ridge == RIDGE else workload(row.costs, ridge, row.threads, row.precision)
        for row in rows
    }

    def stacked(some: Sequence[CalibrationRow], factor: dict[Group, float]) -> tuple[Array, Array]:
        matrix = np.array([amounts[id(row)] for row in some])
        return matrix, np.array([row.milliseconds / factor.get(row.group, 1.0) for row in some])

    by_group = grouped(rows, lambda row: row.group)
    by_family = grouped(rows, _family)
    factor = {group: _factor(some, PRIOR, amounts) for group, some in by_group.items()}
    families: dict[Family, Array] = {}
    for _ in range(_ROUNDS):
        floats = [row for row in rows if row.precision == "float"] or list(rows)
        shared = _floored(solve(*stacked(floats, factor), PRIOR, _PULL_ALL))
        for family in sorted(by_family):  # "float" sorts before "int8"
            runtime, precision = family
            prior = shared if precision == "float" else families.get((runtime, "float"), shared)
            pull = _PULL_FAMILY if precision == "float" else _PULL_INT8
            families[family] = _floored(solve(*stacked(by_family[family], factor), prior, pull))
        factor = {g: _factor(some, families[_family(some[0])], amounts) for g, some in by_group.items()}
    return Terms(
        groups={
            group: solve(*stacked(some, {}), factor[group] * families[_family(some[0])], _PULL_GROUP)
            for group, some in by_group.items()
        },
        families=families,
        rows={group: tuple(some) for group, some in by_group.items()},
        ridge=ridge,
    )


def _factor(rows: Sequence[CalibrationRow], terms: Array, amounts: dict[int, Array]) -> float:
    ratios = [math.log(row.milliseconds / float(amounts[id(row)] @ terms)) for row in rows]
    return math.exp(sum(ratios) / len(ratios))
