"""What every view shows of one device: each artifact's times and memory, and which timings must not be used."""

from __future__ import annotations

from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.measurement import Provenance
from fer_deploy.report.schema import DeviceReport
from fer_deploy.views.tables import INVALID, Cell, Table

#: The column names that stand for milliseconds, so that a narrow view may put the unit in the heading.
TIMES = ("p50", "p90", "p95", "p99", "load", "first inference")


def device_table(device: DeviceReport) -> Table:
    """Return one device's figures, one row per artifact."""
    columns = (*TIMES, "peak memory", "threads", "timing")
    rows = []
    for one in device.figures:
        cells: tuple[Cell, ...] = (
            one.latency_p50,
            one.latency_p90,
            one.latency_p95,
            one.latency_p99,
            one.load,
            one.first_inference,
            one.peak_memory,
            "–" if one.threads is None else str(one.threads),
            timing_verdict(one),
        )
        rows.append((one.artifact, cells))
    return Table("artifact", columns, tuple(rows))


def invalid_timings(device: DeviceReport) -> tuple[tuple[str, str], ...]:
    """Return the artifacts whose timing on the device is INVALID, and why it is."""
    return tuple((one.artifact, "; ".join(one.invalid)) for one in device.figures if one.invalid)


def timing_verdict(figures: RuntimeFigures) -> str:
    """Return VALID or INVALID, or a dash where nothing was timed."""
    if figures.latency_p50.provenance is not Provenance.MEASURED:
        return "–"
    return INVALID if figures.invalid else "VALID"


def runtimes(device: DeviceReport) -> dict[str, tuple[str, ...]]:
    """Return each runtime's name with the artifacts that it ran."""
    found: dict[str, tuple[str, ...]] = {}
    for one in device.figures:
        found[one.runtime] = (*found.get(one.runtime, ()), one.artifact)
    return found
