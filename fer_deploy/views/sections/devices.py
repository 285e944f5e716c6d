"""Times and memory, device by device, and which timings must not be used."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.measurement import Measurement, Provenance
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.views import plots
from fer_deploy.views.blocks import (
    FILES,
    Block,
    Grid,
    Heading,
    Items,
    Look,
    Named,
    Plot,
    Say,
    Section,
    Span,
    Text,
    View,
)
from fer_deploy.views.layer_tables import missing_times
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


def devices(report: Report, _: Check | None) -> Section:
    """Return every device with its artifacts, or that there was none."""
    none = Say(("No device was part of this run.",), views=FILES)
    blocks = tuple(block for device in report.devices for block in _device(report, device)) or (none,)
    return Section("Devices", "devices", blocks, titled=FILES, summary=True)


def device_alone(device: DeviceReport) -> Section:
    """Return one device's figures without a report around them."""
    grid = _grid(device)
    named = (*(grid.named or ()), *missing_times(device))
    table = Grid(grid.table, grid.caption, named=named)
    blocks = (*_invalid(device), table, _runtimes(device), _estimates(device), *_compiled(device))
    return Section(_full_name(device), "device", blocks, summary=True)


def _device(report: Report, device: DeviceReport) -> Iterator[Block]:
    yield Heading(device.market_name, views=FILES)
    yield Heading(_full_name(device), views=View.TERMINAL)
    yield from _invalid(device)
    facts = " · ".join((device.name, device.soc, device.os, f"transport: {device.transport}"))
    yield Say((facts,), fine=True, views=FILES)
    yield _grid(device)
    yield _runtimes(device)
    yield _estimates(device)
    yield from _compiled(device)
    yield from _paths(device)
    caption = f"Accuracy and median latency on {device.market_name}"
    yield Plot(partial(plots.accuracy_against_latency, report, device), caption, plots.MARKER_NOTE)


def _invalid(device: DeviceReport) -> Iterator[Block]:
    """Yield which timings must not be used, and why."""
    found = invalid_timings(device)
    lead = (
        Span(f"{len(found)} of {len(device.figures)} timings on this device are {INVALID}", Look.STRONG),
        " and must not be quoted; measure again on a quiet device:",
    )
    items: tuple[Text, ...] = tuple((Span(artifact, Look.STRONG), f": {why}") for artifact, why in found)
    yield Items(items, look=Look.BAD, lead=lead)


def _grid(device: DeviceReport) -> Grid:
    table = device_table(device)
    named: tuple[Named, ...] = tuple(
        (f"{row} on {device.market_name}", column, figure) for row, column, figure in table.figures()
    )
    return Grid(table, f"Latency, load time and memory on {device.market_name}", named=named)


def _runtimes(device: DeviceReport) -> Say:
    used = "; ".join(f"{name} ({', '.join(keys)})" for name, keys in runtimes(device).items())
    return Say((f"Runtimes: {used}.",), fine=True)


def _estimates(device: DeviceReport) -> Items:
    """Return what the estimates rest on; artifacts whose estimates rest on the same stand together."""
    together: dict[str, list[str]] = {}
    for one in device.figures:
        if one.latency_p50.provenance is Provenance.ESTIMATED:
            together.setdefault(_basis(one.latency_p50), []).append(one.artifact)
    items = tuple((Span(", ".join(keys), Look.STRONG), f": {basis}") for basis, keys in together.items())
    return Items(items, lead=("What the estimates rest on:",))


def _compiled(device: DeviceReport) -> Iterator[Block]:
    """Yield what the compiler of the device's NPU says of each program, where there is one."""
    known = [(one.artifact, one.compiled) for one in device.figures if one.compiled is not None]
    if not known:
        return
    columns = ("compiled for", "NPU operators", "on the CPU", "cycles", "SRAM", "flash", "DRAM")
    rows = tuple(
        (
            artifact,
            (
                found.accelerator,
                f"{found.operators:,}",
                f"{found.on_cpu:,}",
                found.cycles,
                found.sram,
                found.flash,
                found.dram,
            ),
        )
        for artifact, found in known
    )
    yield Grid(Table("artifact", columns, rows), f"What the NPU's compiler says, {device.market_name}")
    for artifact, found in known:
        room = [
            f"{name} {100 * (figure.value or 0) / of:.3g} % of {of:,} bytes"
            for name, figure, of in (
                ("SRAM", found.sram, found.sram_of),
                ("flash", found.flash, found.flash_of),
            )
            if of is not None
        ]
        said = [f"{found.compiler}, {found.configuration}", *room, *([found.parity] if found.parity else [])]
        yield Say((f"{artifact}: {'; '.join(said)}.",), fine=True)


def _paths(device: DeviceReport) -> Iterator[Block]:
    """Yield the ways onto the device's processors, one a row, where the report knows them."""
    if not device.paths:
        return
    rows = tuple(
        (f"{one.target}, {one.delegate}", (one.processor, one.answers, one.latency)) for one in device.paths
    )
    table = Table("way", ("processor", "answers", "latency"), rows)
    yield Grid(
        table,
        f"What can be known of each way onto {device.market_name}, without it and with it",
        look="words",
        views=FILES,
    )


def _basis(estimate: Measurement) -> str:
    """Return an estimate's rows, how near they are, what its interval holds, and what else must be known."""
    conditions = estimate.conditions
    parts = [f"{key}: {conditions[key]}" for key in ("calibration", "basis", "note") if key in conditions]
    if estimate.interval is not None:
        parts.append(f"interval: {estimate.interval.method}")
    return "; ".join(parts)


def _full_name(device: DeviceReport) -> str:
    return f"{device.market_name} ({device.soc}, {device.os})"
