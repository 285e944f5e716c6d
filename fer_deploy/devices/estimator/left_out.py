"""Rows predicted by a model that has not seen them: the evidence for every band."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fer_deploy.devices.estimator.cpu import Basis, Point, fit_cpu, log_errors
from fer_deploy.devices.estimator.rows import CalibrationRow
from fer_deploy.devices.estimator.workload import RIDGE

Key = Callable[[CalibrationRow], Hashable]


def by_architecture(row: CalibrationRow) -> Hashable:
    """Leave-one-model-out: every width, size, precision and device of one architecture at once."""
    return row.architecture


def by_conditions(row: CalibrationRow) -> Hashable:
    """Leave-one-condition-out: a device's runtime, threads and precision, whatever the source calls the cores."""
    return (row.device.name, row.runtime, row.threads, row.precision)


def by_device(row: CalibrationRow) -> Hashable:
    """Leave-one-device-out: every device with one SoC at once."""
    return row.device.family


def by_core(row: CalibrationRow) -> Hashable:
    """Leave-one-kind-of-core-out: every device whose fastest core is of one microarchitecture."""
    return row.device.cores[0].microarchitecture


#: Rows that err together: of one architecture, or of one device.
CLUSTER: Mapping[Basis, Key] = {
    "same conditions": by_architecture,
    "same device": lambda row: row.device.name,
    "other devices": by_device,
    "other cores": by_device,
}

#: What must be left out to learn the error of each basis.
LEFT_OUT: Mapping[Basis, Key] = {
    "same conditions": by_architecture,
    "same device": by_conditions,
    "other devices": by_device,
    "other cores": by_core,
}


@dataclass(frozen=True)
class LeftOut:
    """A row predicted by a model that has not seen it."""

    row: CalibrationRow
    point: Point
    log_error: float


def leave_out(rows: Sequence[CalibrationRow], key: Key, ridge: float = RIDGE) -> Iterator[LeftOut]:
    """Yield every row that has an answer, predicted from the rows with other values of ``key``."""
    for value in sorted({key(row) for row in rows}, key=str):
        kept = [row for row in rows if key(row) != value]
        if kept:
            held = [row for row in rows if key(row) == value]
            yield from (LeftOut(*found) for found in log_errors(fit_cpu(kept, ridge), held))


def leave_sizes_out(rows: Sequence[CalibrationRow]) -> Iterator[LeftOut]:
    """Yield rows of networks smaller, or larger, than all that stayed, however far.

    Limits are the middle row's network, and halves and doubles of it; what is beyond one is left out of all rows,
    and of each family of kernels alone, as a family may know larger networks only while others know small ones.
    """
    middle = statistics.median(row.macs for row in rows)
    families = sorted({(row.runtime, row.precision) for row in rows})
    smallest = min(row.macs for row in rows)
    largest = max(row.macs for row in rows)
    limits = [(middle / 2**n, -1) for n in range(9) if middle / 2**n > smallest]
    limits += [(middle * 2**n, 1) for n in range(9) if middle * 2**n < largest]
    for limit, side in limits:
        for family in (None, *families):
            held = [
                row
                for row in rows
                if side * (row.macs - limit) > 0 and family in (None, (row.runtime, row.precision))
            ]
            out = {id(row) for row in held}
            kept = [row for row in rows if id(row) not in out]
            if not held or (family is not None and not any((r.runtime, r.precision) == family for r in kept)):
                continue
            yield from (LeftOut(*found) for found in log_errors(fit_cpu(kept), held, limited=False))
