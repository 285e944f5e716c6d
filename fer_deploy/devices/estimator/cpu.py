"""CPU latency of a network on cores: where rows of that device exist from them, else from its cores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fer_deploy.devices.estimator.rows import FAMILIES, Precision, Row
from fer_deploy.devices.estimator.speed import MARGIN, SpeedModel, fit_speed, known_as, rating, reference
from fer_deploy.devices.estimator.terms import Array, Family, Group, Terms, fit_terms
from fer_deploy.devices.estimator.workload import RIDGE, workload
from fer_deploy.devices.profile_schema import CoreCluster
from fer_deploy.quantize.costs import GraphCosts

#: A network may be this many times smaller or larger than those of the rows. Leave-one-model-out tries
#: that much: without the smallest network the next is 2.2 times larger, without the largest 2.1 times smaller.
SIZE_MARGIN = 2.2
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


@dataclass(frozen=True)
class Point:
    """A predicted latency before its band.

    Attributes:
        basis: how near the rows are.
        rows: the rows that it rests on most.
        borrowed: what stood in for missing rows, empty if nothing.
    """

    milliseconds: float
    basis: Basis
    rows: tuple[Row, ...]
    borrowed: str = ""


@dataclass(frozen=True)
class CpuModel:
    """Everything fitted on one set of rows."""

    terms: Terms
    speed: SpeedModel
    macs: tuple[int, int]
    rows: tuple[Row, ...]

    def predict(self, costs: GraphCosts, query: Query) -> Point | str:
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
            return Point(math.exp(sum(logs) / len(logs)), "same conditions", rows)
        return self._transfer(amounts, query)

    def _too_far(self, costs: GraphCosts) -> str | None:
        low, high = self.macs[0] / SIZE_MARGIN, self.macs[1] * SIZE_MARGIN
        if not low <= costs.macs <= high:
            return (
                f"{costs.name} has {costs.macs / 1e6:.3g} M multiply-accumulates; the estimator is calibrated "
                f"for {low / 1e6:.3g} M to {high / 1e6:.4g} M"
            )
        return None

    def _transfer(self, amounts: Array, query: Query) -> Point | str:
        family: Family = (query.runtime, query.precision)
        borrowed = ""
        if family not in self.terms.families and _BORROWED.get(family) in self.terms.families:
            other = _BORROWED[family]
            borrowed = f"no {query.precision} rows of {family[0]}: shape of {other[0]}'s kernels"
            shape = self.terms.families[other]
        elif family in self.terms.families:
            shape = self.terms.families[family]
        else:
            return f"no calibration row was measured with {query.runtime} in {query.precision}"
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
        return Point(float(amounts @ shaped), "same device" if anchors else "other devices", rows, borrowed)

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

    def _unknown_cores(self, query: Query) -> str | None:
        if not query.cores:
            return "the profile does not say which cores the device has"
        big = query.cores[0]
        name = known_as(big.microarchitecture)
        if name is None or name not in self.speed.microarchitectures:
            return f"no calibration row was measured on {big.microarchitecture} cores or their like"
        if query.threads > sum(cluster.count for cluster in query.cores):
            return f"{query.threads} threads on {sum(c.count for c in query.cores)} cores"
        one, all_threads = rating(query.cores, 1), rating(query.cores, query.threads)
        if one is None or all_threads is None:
            return f"clock or kind of a core is not known among the {query.threads} fastest"
        low, high = self.speed.ratings[0] / MARGIN, self.speed.ratings[1] * MARGIN
        if not low <= one <= high:
            return (
                f"one {big.microarchitecture} core at {big.max_ghz} GHz is outside of the calibrated range "
                f"({one:.1f} GHz x pipes, calibrated {low:.1f} to {high:.1f})"
            )
        return None


def fit_cpu(rows: Sequence[Row], ridge: float = RIDGE) -> CpuModel:
    """Return the model fitted on rows."""
    terms = fit_terms(rows, ridge)
    macs = [row.costs.macs for row in rows]
    return CpuModel(terms, fit_speed(terms), (min(macs), max(macs)), tuple(rows))


def query_of(row: Row) -> Query:
    """Return the question that a row answers."""
    return Query(row.device.cores, row.runtime, row.precision, row.threads, row.device.name, row.processor)


def log_errors(model: CpuModel, rows: Sequence[Row]) -> list[tuple[Row, Point, float]]:
    """Return the rows that ``model`` has an answer for, with it and log(predicted / published)."""
    found = []
    for row in rows:
        point = model.predict(row.costs, query_of(row))
        if isinstance(point, Point):
            found.append((row, point, float(np.log(point.milliseconds / row.milliseconds))))
    return found


def known_runtime(runtime: str) -> str | None:
    """Return the family of kernels behind a runtime's name, or None."""
    return FAMILIES.get(runtime)
