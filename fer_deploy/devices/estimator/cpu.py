"""CPU latency of a network on cores: where rows of that device exist from them, else from its cores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fer_deploy.devices.estimator.rows import CalibrationRow, Precision
from fer_deploy.devices.estimator.speed import MARGIN, SpeedModel, fit_speed, known_as, rating, reference
from fer_deploy.devices.estimator.terms import Array, Family, Group, Terms, fit_terms
from fer_deploy.devices.estimator.workload import RIDGE, TERMS, shares, workload
from fer_deploy.devices.profile_schema import CoreCluster
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.costs import GraphCosts

#: A network may be this many times smaller or larger than those of the rows. Leave-one-model-out tries
#: that much: without the smallest network the next is 2.2 times larger, without the largest 2.1 times smaller.
SIZE_MARGIN = 2.2
#: A network most of whose work is of one kind of kernel, and more than this many times what any row's network has
#: of it, is refused: the kind's term is known from a small part of the rows' time only.
_SHARE_MARGIN, _MOST = 2.0, 0.5
#: A share this much larger than any row's is beyond the rows, if it is a share to speak of.
_BEYOND, _SOME = 1.25, 0.1
#: With fewer networks measured under the same conditions, the rows do not tell the device from the network: with
#: one or two, another network was predicted little better than from other conditions of the device.
ENOUGH_NETWORKS = 3
#: Kernels whose terms stand in for a family that has no rows at a precision.
_BORROWED: dict[Family, Family] = {("XNNPACK", "int8"): ("TFLite", "int8")}


@dataclass(frozen=True)
class Query:
    """One question: these cores, this runtime, so many threads.

    Attributes:
        device: name of a calibration device, or None.
        processor: the rows' word for which cores, or None for all of them.
    """

    cores: tuple[CoreCluster, ...]
    runtime: str
    precision: Precision
    threads: int
    device: str | None = None
    processor: str | None = None


#: How near the rows are that a prediction rests on: measured under the same conditions (device, runtime,
#: threads, precision), on the same device under other conditions, or on other devices only.
Basis = Literal["same conditions", "same device", "other devices"]

_FURTHER: dict[Basis, Basis] = {
    "same conditions": "same device",
    "same device": "other devices",
    "other devices": "other devices",
}


@dataclass(frozen=True)
class Point:
    """A predicted latency before its band.

    Attributes:
        basis: how near the rows are.
        rows: the rows that it rests on most.
        borrowed: what stood in for missing rows, empty if nothing.
        beyond: why the network lies beyond those of the rows, though not so far as to be refused; empty if it does not.
    """

    milliseconds: float
    basis: Basis
    rows: tuple[CalibrationRow, ...]
    borrowed: str = ""
    beyond: str = ""

    @property
    def networks(self) -> int:
        """How many networks the rows are of."""
        return len({row.architecture for row in self.rows})

    @property
    def weakness(self) -> str:
        """Why the band must be as wide as for rows that are less near; empty if it need not."""
        if self.beyond:
            return self.beyond
        if self.basis == "same conditions" and self.networks < ENOUGH_NETWORKS:
            word = "network was" if self.networks == 1 else "networks were"
            return f"only {self.networks} {word} measured under these conditions"
        return ""

    @property
    def band_basis(self) -> Basis:
        """The basis whose band holds: one further away where the point is weak."""
        return _FURTHER[self.basis] if self.weakness else self.basis


@dataclass(frozen=True)
class CpuModel:
    """Everything fitted on one set of rows.

    Attributes:
        macs: of the smallest and the largest network.
        shares: largest share of each kind of kernel in any network's work, float64 (7,).
    """

    terms: Terms
    speed: SpeedModel
    macs: tuple[int, int]
    shares: Array
    rows: tuple[CalibrationRow, ...]

    def predict(self, costs: GraphCosts, query: Query) -> Point | Unknown:
        """Return the latency, or the reason why it is outside of what the rows cover."""
        problem = self._too_far(costs)
        if problem:
            return problem
        amounts = workload(costs, self.terms.ridge)
        groups = [
            group
            for group in self.terms.groups
            if query.device == group[0]
            and (query.runtime, query.threads, query.precision) == (group[1], group[3], group[4])
            and query.processor in (None, group[2])
        ]
        if groups:
            logs = [math.log(float(amounts @ self.terms.groups[group])) for group in groups]
            rows = tuple(row for group in groups for row in self.terms.rows[group])
            return Point(math.exp(sum(logs) / len(logs)), "same conditions", rows, beyond=self._beyond(costs))
        return self._transfer(amounts, query, self._beyond(costs))

    def _too_far(self, costs: GraphCosts) -> Unknown | None:
        low, high = self.macs[0] / SIZE_MARGIN, self.macs[1] * SIZE_MARGIN
        if not low <= costs.macs <= high:
            return Unknown(
                reason=f"{costs.name} has {costs.macs / 1e6:.3g} M multiply-accumulates; the estimator is calibrated "
                f"for {low / 1e6:.3g} M to {high / 1e6:.4g} M"
            )
        for kind, share, most in zip(TERMS, shares(workload(costs)), self.shares, strict=False):
            if share > max(_SHARE_MARGIN * most, _MOST):
                return Unknown(
                    reason=f"{100 * share:.0f} % of the work of {costs.name} is {kind}, of which no calibration "
                    f"network has more than {100 * most:.0f} %"
                )
        return None

    def _beyond(self, costs: GraphCosts) -> str:
        if not self.macs[0] <= costs.macs <= self.macs[1]:
            relation = "smaller" if costs.macs < self.macs[0] else "larger"
            return f"{costs.name} is {relation} than every network of the rows"
        for kind, share, most in zip(TERMS, shares(workload(costs)), self.shares, strict=False):
            if share > max(_BEYOND * most, _SOME):
                return f"{costs.name} has more {kind} work than every network of the rows"
        return ""

    def _transfer(self, amounts: Array, query: Query, beyond: str) -> Point | Unknown:
        family: Family = (query.runtime, query.precision)
        borrowed = ""
        if family not in self.terms.families and _BORROWED.get(family) in self.terms.families:
            other = _BORROWED[family]
            borrowed = f"no {query.precision} rows of {family[0]}: shape of {other[0]}'s kernels"
            shape = self.terms.families[other]
        elif family in self.terms.families:
            shape = self.terms.families[family]
        else:
            return Unknown(
                reason=f"no calibration row was measured with {query.runtime} in {query.precision}"
            )
        problem = self._unknown_cores(query)
        if problem:
            return problem
        log_ms = self.speed.log_milliseconds(query.cores, query.runtime, query.precision, query.threads)
        anchors = self._anchors(query)
        if anchors:
            log_ms += sum(self._deviation(group) for group in anchors) / len(anchors)
            rows = tuple(row for group in anchors for row in self.terms.rows[group])
        else:
            stands = known_as(query.cores[0].microarchitecture)
            rows = tuple(
                row
                for row in self.rows
                if row.precision == query.precision
                and known_as(row.device.cores[0].microarchitecture) == stands
            )
        shaped = shape * math.exp(log_ms) / float(reference() @ shape)
        basis: Basis = "same device" if anchors else "other devices"
        return Point(float(amounts @ shaped), basis, rows, borrowed, beyond)

    def _anchors(self, query: Query) -> list[Group]:
        """Return the groups of the same device that are nearest in conditions."""
        here = [group for group in self.terms.groups if group[0] == query.device]
        wanted = (query.runtime, query.precision)
        for near in (
            [group for group in here if (group[1], group[4]) == wanted],
            [group for group in here if group[1] == query.runtime],
            [group for group in here if group[4] == query.precision],
        ):
            if near:
                return near
        return here

    def _deviation(self, group: Group) -> float:
        """Return how much slower a group is than its cores say, as a log."""
        _, runtime, _, threads, precision = group
        cores = self.terms.rows[group][0].device.cores
        expected = self.speed.log_milliseconds(cores, runtime, precision, threads)
        return math.log(float(reference() @ self.terms.groups[group])) - expected

    def _unknown_cores(self, query: Query) -> Unknown | None:
        if not query.cores:
            return Unknown(reason="the profile does not say which cores the device has")
        big = query.cores[0]
        name = known_as(big.microarchitecture)
        if name is None or name not in self.speed.microarchitectures:
            return Unknown(
                reason=f"no calibration row was measured on {big.microarchitecture} cores or their like"
            )
        if query.threads > sum(cluster.count for cluster in query.cores):
            return Unknown(reason=f"{query.threads} threads on {sum(c.count for c in query.cores)} cores")
        one, all_threads = rating(query.cores, 1), rating(query.cores, query.threads)
        if one is None or all_threads is None:
            return Unknown(reason=f"clock or kind of a core is not known among the {query.threads} fastest")
        low, high = self.speed.ratings[0] / MARGIN, self.speed.ratings[1] * MARGIN
        if not low <= one <= high:
            return Unknown(
                reason=f"one {big.microarchitecture} core at {big.max_ghz} GHz is outside of the calibrated range "
                f"({one:.1f} GHz x pipes, calibrated {low:.1f} to {high:.1f})"
            )
        return None


def fit_cpu(rows: Sequence[CalibrationRow], ridge: float = RIDGE) -> CpuModel:
    """Return the model fitted on rows."""
    terms = fit_terms(rows, ridge)
    macs = [row.costs.macs for row in rows]
    most: Array = np.max([shares(workload(row.costs)) for row in rows], axis=0)
    return CpuModel(terms, fit_speed(terms), (min(macs), max(macs)), most, tuple(rows))


def query_of(row: CalibrationRow) -> Query:
    """Return the question that a row answers."""
    return Query(row.device.cores, row.runtime, row.precision, row.threads, row.device.name, row.processor)


def log_errors(model: CpuModel, rows: Sequence[CalibrationRow]) -> list[tuple[CalibrationRow, Point, float]]:
    """Return the rows that ``model`` has an answer for, with it and log(predicted / published)."""
    found = []
    for row in rows:
        point = model.predict(row.costs, query_of(row))
        if isinstance(point, Point):
            found.append((row, point, float(np.log(point.milliseconds / row.milliseconds))))
    return found
