"""What every view shows of single layers: the noise of quantization in each, and the time that each takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fer_deploy.measure.comparison import EQUAL
from fer_deploy.measure.figures import LayerFigures, LayerTime, RuntimeFigures
from fer_deploy.measure.measurement import Measurement, Unit, not_measured
from fer_deploy.report.schema import ArtifactReport, DeviceReport, GraphReport, Report
from fer_deploy.views.tables import Cell, Table

#: Layers that a summary names.
_NAMED = 3
SHARE = "share"
NOISE_NOTE = (
    "Noise reaches a layer from those before it and adds up: look for the layer at which the ratio falls. The graph "
    "is what all targets are lowered from, run in torch; where an artifact parts from it, its lowering did that."
)
TIME_NOTE = (
    "By the runtime's own profiler, which slows small operators: shares are what it is for, not their sum. What a "
    "dash stands for is said below."
)


@dataclass(frozen=True)
class NoiseColumn:
    """The noise of every layer of the graph or of one artifact; ``artifact`` is None for the graph."""

    name: str
    artifact: ArtifactReport | None
    layers: tuple[LayerFigures, ...]


def noise_columns(report: Report, graph: GraphReport) -> tuple[NoiseColumn, ...]:
    """Return the graph and the artifacts of its recipe whose layers were compared with the float model's."""
    found = [NoiseColumn("graph", None, graph.layers)]
    found += [NoiseColumn(one.key, one, one.layers) for one in report.artifacts if one.recipe == graph.recipe]
    return tuple(one for one in found if one.layers)


def noise_table(report: Report, graph: GraphReport) -> Table:
    """Return the signal-to-quantization-noise ratio of each layer, one column for the graph and each artifact."""
    columns = noise_columns(report, graph)
    layers = columns[0].layers if columns else ()
    rows = tuple(
        (layer.name, (layer.operator or "–", *(_ratio(column.layers, layer.name) for column in columns)))
        for layer in layers
    )
    return Table("layer", ("operator", *(column.name for column in columns)), rows)


def noisiest(layers: tuple[LayerFigures, ...]) -> tuple[LayerFigures, ...]:
    """Return the layers with the most noise, the worst first."""
    return tuple(sorted((one for one in layers if one.sqnr.known), key=_decibel)[:_NAMED])


def time_table(figures: RuntimeFigures) -> Table:
    """Return the time of each operator on a device, the slowest first; no rows where the runtime gives none."""
    rows = tuple(
        (
            one.layer or one.name,
            (*map(_or_dash, (one.time, one.share, one.macs, one.bytes)), one.kind, one.place),
        )
        for one in sorted(figures.layers, key=_milliseconds, reverse=True)
    )
    return Table("layer or operator", ("time", SHARE, "MACs", "bytes", "kernel", "runs in"), rows)


def slowest(figures: RuntimeFigures) -> tuple[LayerTime, ...]:
    """Return the operators that take the longest, the slowest first."""
    ordered = sorted(figures.layers, key=_milliseconds, reverse=True)
    return tuple(one for one in ordered[:_NAMED] if one.time.known)


def outside(figures: RuntimeFigures) -> tuple[str, ...]:
    """Return the operators that run outside the delegate, or in float in an int8 network."""
    return tuple(one.layer or one.name for one in figures.layers if not one.delegated)


def missing_noise(report: Report) -> Iterator[tuple[str, str, Measurement]]:
    """Yield whose it is, its name and the figure that says why, for all layers without a ratio."""
    whole = [(f"graph {graph.recipe}", graph.layers, graph.layers_reason) for graph in report.graphs]
    whole += [(one.key, one.layers, one.layers_reason) for one in report.artifacts]
    for owner, layers, reason in whole:
        if reason is not None:
            yield owner, "SQNR of each layer", not_measured(Unit.DECIBEL, reason)
        for figure in _distinct(layer.sqnr for layer in layers):
            yield owner, "SQNR of some layers", figure


def missing_times(device: DeviceReport) -> Iterator[tuple[str, str, Measurement]]:
    """Yield the same for all operators without a time, or without multiplications and bytes, on a device."""
    for one in device.figures:
        owner = f"{one.artifact} on {device.market_name}"
        if one.layers_reason is not None:
            yield owner, "time of each layer", not_measured(Unit.MILLISECONDS, one.layers_reason)
        for figure in _distinct(part for layer in one.layers for part in (layer.time, layer.share)):
            yield owner, "time of some operators", figure
        for figure in _distinct(part for layer in one.layers for part in (layer.macs, layer.bytes)):
            yield owner, "MACs and bytes of some operators", figure


def missing_layers(report: Report) -> tuple[tuple[str, tuple[str, ...], Measurement], ...]:
    """Return what is missing of layers, who lacks it, and the figure that says why: one entry per reason."""
    found: dict[tuple[str, str | None], tuple[list[str], Measurement]] = {}
    times = (one for device in report.devices for one in missing_times(device))
    for owner, name, figure in (*missing_noise(report), *times):
        found.setdefault((name, figure.reason), ([], figure))[0].append(owner)
    return tuple((name, tuple(owners), figure) for (name, _), (owners, figure) in found.items())


def _distinct(figures: Iterable[Measurement]) -> tuple[Measurement, ...]:
    """Return one of the missing figures for each reason."""
    return tuple({one.reason: one for one in figures if not one.known}.values())


def _ratio(layers: tuple[LayerFigures, ...], name: str) -> Cell:
    figure = next((one.sqnr for one in layers if one.name == name), None)
    if figure is None:
        return "–"
    if not figure.known:
        return "equal" if figure.reason == EQUAL else "–"
    return figure


def _or_dash(figure: Measurement) -> Cell:
    return figure if figure.known else "–"


def _milliseconds(one: LayerTime) -> float:
    return one.time.value or 0.0


def _decibel(one: LayerFigures) -> float:
    return one.sqnr.value or 0.0
