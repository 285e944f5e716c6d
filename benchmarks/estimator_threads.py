"""What the latency estimator's threads term is worth: the errors without it and with it.

`python benchmarks/estimator_validation.py --quick --write` writes the table.
"""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from unittest import mock

from estimator_tables import held_out_rows, table

from fer_deploy.devices.estimator import speed, workload
from fer_deploy.devices.estimator.cpu import Point, fit_cpu, query_of
from fer_deploy.devices.estimator.left_out import by_architecture, by_conditions, by_device, leave_out
from fer_deploy.devices.estimator.rows import CalibrationRow, calibration_rows


@contextlib.contextmanager
def _without_threads_term() -> Iterator[None]:
    """Estimate as if threads divided everything alike, in float and in int8."""
    effects = speed._effects

    def fewer(*arguments: object) -> dict[str, float]:
        found = effects(*arguments)  # type: ignore[arg-type]
        found.pop("int8 threads", None)
        return found

    caches = (speed.reference, calibration_rows)
    for cache in caches:
        cache.cache_clear()
    with (
        mock.patch.object(workload, "SERIAL", {"float": {}, "int8": {}}),
        mock.patch.object(speed, "_effects", fewer),
    ):
        yield
    for cache in caches:
        cache.cache_clear()


Errors = dict[str, list[tuple[CalibrationRow, float]]]


def _errors() -> Errors:
    rows = calibration_rows()
    found: Errors = {
        name: [(one.row, one.log_error) for one in leave_out(rows, key)]
        for name, key in (
            ("one model left out", by_architecture),
            ("one device's runtime, threads and precision left out", by_conditions),
            ("one device (SoC) left out", by_device),
        )
    }
    model = fit_cpu(rows)
    found["rows never in the fit"] = [
        (row, math.log(point.milliseconds / row.milliseconds))
        for row in held_out_rows()
        if isinstance(point := model.predict(row.costs, query_of(row)), Point)
    ]
    return found


def threads_table() -> str:
    with _without_threads_term():
        before = _errors()
    after = _errors()
    kinds: tuple[tuple[str, Callable[[CalibrationRow], object]], ...] = (
        ("all", bool),
        ("float, 4 threads or more", lambda row: row.precision == "float" and row.threads >= 4),
        (
            "ncnn int8, 4 threads or more",
            lambda row: (row.runtime, row.precision) == ("ncnn", "int8") and row.threads >= 4,
        ),
        (
            "squeezenet in ncnn int8, 4 threads or more",
            lambda row: row.model == "squeezenet_int8" and row.runtime == "ncnn" and row.threads >= 4,
        ),
    )
    lines = []
    for name, found in after.items():
        for kind, wanted in kinds:
            with_term = [error for row, error in found if wanted(row)]
            without = [error for row, error in before[name] if wanted(row)]
            if with_term:
                lines.append([name, kind, str(len(with_term)), _off(without), _off(with_term)])
    return table(["rows", "of them", "number", "without the term", "with it"], lines)


def _off(errors: Sequence[float]) -> str:
    off = statistics.median(abs(math.exp(one) - 1) for one in errors)
    return f"{100 * off:.1f} % (middle x {math.exp(statistics.median(errors)):.2f})"
