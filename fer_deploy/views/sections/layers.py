"""Noise and time layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.report.schema import DeviceReport, GraphReport, Report
from fer_deploy.report.wording import amount
from fer_deploy.views import layer_plots
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
    noise_table,
    noisiest,
    outside,
    slowest,
    time_table,
)
from fer_deploy.views.plots import MARKER_NOTE
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
    yield Plot(partial(layer_plots.noise_by_layer, report, graph), caption, f"{NOISE_NOTE} {MARKER_NOTE}")
    table = Grid(
        noise_table(report, graph), f"SQNR of each layer against the float model, {recipe}", look="matrix"
    )
    yield Folded((f"All {len(graph.layers)} layers of {recipe} in numbers",), (table,))


def _times(report: Report, device: DeviceReport) -> Iterator[Block]:
    title = f"Time of each layer on {device.market_name}"
    yield Heading(title, views=View.HTML)
    yield Say((TIME_NOTE,), fine=True, views=FILES)
    yield Plot(partial(layer_plots.time_by_layer, report, device), title, MARKER_NOTE)
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
