"""Layers: the noise that quantization adds to each, where their time goes, and the plots of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.schema import ArtifactReport, DeviceReport, GraphReport, Report
from fer_deploy.report.wording import amount, clean
from fer_deploy.views.blocks import (
    EVERYWHERE,
    FILES,
    Block,
    Folded,
    Grid,
    Heading,
    Items,
    Look,
    Plot,
    Say,
    Section,
    Span,
    Text,
    View,
)
from fer_deploy.views.layer_tables import (
    NOISE_NOTE,
    SHARE,
    TIME_NOTE,
    missing_layers,
    missing_noise,
    missing_times,
    noise_columns,
    noise_table,
    noisiest,
    outside,
    slowest,
    time_table,
)
from fer_deploy.views.plots import MARKER_NOTE, Styles
from fer_deploy.views.svg import GRID, INK, draw
from fer_deploy.views.tables import INVALID


def layers(report: Report, _: Check | None) -> Section:
    """Return the noisiest and the slowest layers, all layers behind a line, and what is missing of them."""
    timed = [device for device in report.devices if any(figures.layers for figures in device.figures)]
    named = (*missing_noise(report), *(each for device in report.devices for each in missing_times(device)))
    items: tuple[Text, ...] = tuple(
        (f"{name} ({', '.join(owners)}): ", figure, f" – {figure.reason}")
        for name, owners, figure in missing_layers(report)
    )
    blocks = (
        *(block for graph in report.graphs if graph.layers for block in _noise(report, graph)),
        *(block for device in timed for block in _times(report, device)),
        Items(items, named=named, views=FILES),
    )
    return Section("Layers", "layers", blocks, summary=True)


def _noise(report: Report, graph: GraphReport) -> Iterator[Block]:
    recipe = graph.recipe
    yield Heading(f"Noise of quantization, {recipe}", views=View.HTML)
    worst = [(layer.name, layer.sqnr) for layer in noisiest(graph.layers)]
    if worst:
        said: list[Text] = [
            (f"{', ' if row else ''}{name} (", sqnr, ")") for row, (name, sqnr) in enumerate(worst)
        ]
        yield Say(
            (
                Span(f"Most noise in the graph of {recipe}:", Look.STRONG),
                " ",
                *(part for parts in said for part in parts),
                ".",
            )
        )
    yield Say((NOISE_NOTE,), views=View.MARKDOWN)
    caption = f"Noise of each layer, {recipe}"
    yield Plot(partial(noise_by_layer, report, graph), caption, f"{NOISE_NOTE} {MARKER_NOTE}")
    table = Grid(
        noise_table(report, graph), f"SQNR of each layer against the float model, {recipe}", look="matrix"
    )
    yield Folded((f"All {len(graph.layers)} layers of {recipe} in numbers",), (table,))


def _times(report: Report, device: DeviceReport) -> Iterator[Block]:
    title = f"Time of each layer on {device.market_name}"
    yield Heading(title, views=View.HTML)
    yield Say((TIME_NOTE,), fine=True, views=FILES)
    yield Plot(partial(time_by_layer, report, device), title, MARKER_NOTE)
    each = "Each artifact’s slowest layers; open one for all of its operators, the slowest first:"
    yield Say((each,), fine=True, views=View.HTML)
    for figures in device.figures:
        if figures.layers:
            yield _operators(device, figures)


def _operators(device: DeviceReport, figures: RuntimeFigures) -> Folded:
    """Return one artifact's operators behind its slowest ones, which a terminal shows alone."""
    where = f"{figures.artifact} on {device.market_name}"
    first = ", ".join(f"{layer.layer or layer.name} {amount(layer.share)}" for layer in slowest(figures))
    title: Text = ("Slowest, ", Span(where, Look.STRONG), f": {first}")
    if figures.invalid:
        title = (*title, Span(f" (taken with an {INVALID} timing)", Look.BAD))
    rest = outside(figures)
    blocks: tuple[Block, ...] = (
        *([Say((f"Not delegated, or in float: {', '.join(rest)}",), fine=True)] if rest else []),
        Grid(
            time_table(figures),
            f"Operators of {where}, the slowest first",
            look="matrix bars",
            bars=SHARE,
        ),
    )
    return Folded(title, blocks, views=EVERYWHERE)


_LONGEST_LABEL = 30
#: Inches per layer: the smallest at which names do not touch.
_ROW = 0.165


def noise_by_layer(report: Report, graph: GraphReport) -> str | None:
    """Return the signal-to-quantization-noise ratio of each layer: the graph as a line, artifacts as markers."""
    columns = noise_columns(report, graph)
    if not columns:
        return None
    names = [one.name for one in columns[0].layers]
    series = [
        _Series(column.artifact, {one.name: one.sqnr for one in column.layers if one.sqnr.known})
        for column in columns
    ]
    return _by_layer(
        report, names, series, "SQNR in dB: more is better", f"Noise of each layer, {graph.recipe}"
    )


def time_by_layer(report: Report, device: DeviceReport) -> str | None:
    """Return the time of each layer of the float model on a device, one marker per artifact whose layers are known."""
    artifacts = {one.key: one for one in report.artifacts}
    series: list[_Series] = []
    names: dict[str, None] = {}
    for one in device.figures:
        known = {layer.layer: layer.time for layer in one.layers if layer.layer and layer.time.known}
        if known and one.artifact in artifacts:
            series.append(_Series(artifacts[one.artifact], known))
            names |= {layer.layer: None for layer in one.layers if layer.layer}
    if not series:
        return None
    title = f"Time of each layer on {device.market_name}"
    return _by_layer(report, list(names), series, "time in microseconds, profiling on", title, 1000)


@dataclass(frozen=True)
class _Series:
    """A figure per layer of one artifact, or of the graph where that is None."""

    artifact: ArtifactReport | None
    figures: dict[str, Measurement]


def _by_layer(
    report: Report,
    names: list[str],
    series: list[_Series],
    xlabel: str,
    title: str,
    scale: float | None = None,
) -> str:
    """Return layers from top to bottom, their figures from left to right; from 0 and times ``scale`` if given."""
    styles = Styles(report)
    rows = {name: row for row, name in enumerate(names)}

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        for one in series:
            values = [(scale or 1) * (each.value or 0.0) for each in one.figures.values()]  # all known
            heights = [rows[name] for name in one.figures]
            if one.artifact is None:
                axes.plot(values, heights, color=INK, linewidth=1.2, linestyle="--", zorder=3)
            elif values:
                look = styles.marker(one.artifact, one.figures.values())
                axes.plot(values, heights, **look, markersize=styles.size(one.artifact) / 1.6)
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        axes.tick_params(axis="y", length=0, labelsize=7.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(xlabel)
        if scale is not None:
            axes.set_xlim(left=0)
        axes.grid(axis="x")
        axes.grid(axis="y", color=GRID, linewidth=0.4)
        shown = [one.artifact for one in series if one.artifact is not None]
        reference = "quantized graph" if len(shown) < len(series) else None
        styles.legend(figure, shown, with_float="--", reference=reference)

    return draw(4.9, 1.2 + _ROW * len(names), title, paint)


def _short(name: str) -> str:
    """Return a module path, its beginning left out where it is long: the end tells layers apart."""
    name = clean(name)
    return name if len(name) <= _LONGEST_LABEL else f"…{name[1 - _LONGEST_LABEL :]}"
