"""CPU latency of a network on cores: where rows of that device exist from them, else from its cores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fer_deploy.devices.estimator.reach import ENOUGH_NETWORKS, Reach, reach_of
from fer_deploy.devices.estimator.rows import CalibrationRow, Precision
from fer_deploy.devices.estimator.speed import MARGIN, SpeedModel, fit_speed, known_as, rating, reference
from fer_deploy.devices.estimator.terms import Array, Family, Group, Terms, fit_terms
from fer_deploy.devices.estimator.workload import RIDGE, workload
from fer_deploy.devices.profile_schema import CoreCluster
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.costs import GraphCosts

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
#: threads, precision), on the same device under other conditions, on other devices whose fastest core is of the same
#: kind, or on other kinds of core only.
Basis = Literal["same conditions", "same device", "other devices", "other cores"]
#: From near to far.
BASES: tuple[Basis, ...] = get_args(Basis)


@dataclass(frozen=True)
class Point:
    """A predicted latency before its band.

    Attributes:
        basis: how near the rows are.
        rows: the rows that it rests on most.
        borrowed: what stood in for missing rows, empty if nothing.
        distance: how far the network lies beyond those of the rows, though not so far as to be refused; 0 if it does
            not, negative if it is smaller, see :meth:`~.reach.Reach.beyond`.
        beyond: why it does; empty if it does not.
    """

    milliseconds: float
    basis: Basis
    rows: tuple[CalibrationRow, ...]
    borrowed: str = ""
    distance: float = 0.0
    beyond: str = ""

    @property
    def networks(self) -> int:
        """How many networks the rows are of."""
        return len({row.architecture for row in self.rows})

    @property
    def weakness(self) -> str:
        """Why the band must be as wide as for rows that are less near; empty if it need not."""
        if self.borrowed:
            return self.borrowed
        if self.basis == "same conditions" and self.networks < ENOUGH_NETWORKS:
            word = "network was" if self.networks == 1 else "networks were"
            return f"only {self.networks} {word} measured under these conditions"
        return ""

    @property
    def band_basis(self) -> Basis:
        """The basis whose band holds: one further away where the point is weak."""
        further = BASES.index(self.basis) + bool(self.weakness)
        return BASES[min(further, len(BASES) - 1)]


@dataclass(frozen=True)
class CpuModel:
    """Everything fitted on one set of rows."""

    terms: Terms
    speed: SpeedModel
    reach: Reach
    rows: tuple[CalibrationRow, ...]

    def predict(self, costs: GraphCosts, query: Query) -> Point | Unknown:
        """Return the latency, or the reason why it is outside of what the rows cover."""
        return self.reach.refusal(costs) or self.extrapolate(costs, query)

    def extrapolate(self, costs: GraphCosts, query: Query) -> Point | Unknown:
        """Return the latency of a network however far it is beyond those of the rows."""
        amounts = workload(costs, self.terms.ridge, query.threads, query.precision)
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
            distance, why = self.reach.beyond(costs, (query.runtime, query.precision))
            return Point(math.exp(sum(logs) / len(logs)), "same conditions", rows, "", distance, why)
        return self._transfer(costs, amounts, query)

    def _transfer(self, costs: GraphCosts, amounts: Array, query: Query) -> Point | Unknown:
        family: Family = (query.runtime, query.precision)
        borrowed = ""
        if family not in self.terms.families and _BORROWED.get(family) in self.terms.families:
            borrowed = f"no {query.precision} rows of {family[0]}: shape of {_BORROWED[family][0]}'s kernels"
            family = _BORROWED[family]
        elif family not in self.terms.families:
            return Unknown(
                reason=f"no calibration row was measured with {query.runtime} in {query.precision}"
            )
        problem = self._unknown_cores(query)
        if problem:
            return problem
        shape = self.terms.families[family]
        basis: Basis
        log_ms = self.speed.log_milliseconds(query.cores, query.runtime, query.precision, query.threads)
        anchors = self._anchors(query)
        if anchors:
            log_ms += sum(self._deviation(group) for group in anchors) / len(anchors)
            rows = tuple(row for group in anchors for row in self.terms.rows[group])
            basis = "same device"
        else:
            big = query.cores[0].microarchitecture
            of_family = [row for row in self.rows if (row.runtime, row.precision) == family]
            alike = [
                row
                for row in self.rows
                if row.precision == query.precision and row.device.cores[0].microarchitecture == big
            ]
            rows = tuple(alike or of_family)
            basis = "other devices" if big in self.speed.microarchitectures else "other cores"
        shaped = shape * math.exp(log_ms) / float(reference(query.threads, query.precision) @ shape)
        return Point(float(amounts @ shaped), basis, rows, borrowed, *self.reach.beyond(costs, family))

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
        return math.log(float(reference(threads, precision) @ self.terms.groups[group])) - expected

    def _unknown_cores(self, query: Query) -> Unknown | None:
        if not query.cores:
            return Unknown(reason="the profile does not say which cores the device has")
        big = query.cores[0]
        if known_as(big.microarchitecture) is None:
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
    return CpuModel(terms, fit_speed(terms), reach_of(rows), tuple(rows))


def query_of(row: CalibrationRow) -> Query:
    """Return the question that a row answers."""
    return Query(row.device.cores, row.runtime, row.precision, row.threads, row.device.name, row.processor)


def log_errors(
    model: CpuModel, rows: Sequence[CalibrationRow], limited: bool = True
) -> list[tuple[CalibrationRow, Point, float]]:
    """Return the rows that ``model`` has an answer for, with it and log(predicted / published).

    ``limited``: leave out what is refused as too far beyond the rows.
    """
    found = []
    for row in rows:
        ask = model.predict if limited else model.extrapolate
        point = ask(row.costs, query_of(row))
        if isinstance(point, Point):
            found.append((row, point, math.log(point.milliseconds / row.milliseconds)))
    return found
