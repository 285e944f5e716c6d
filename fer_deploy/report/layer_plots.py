"""The noise of quantization layer by layer, as a plot."""

from __future__ import annotations

from typing import Any

from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.format import clean
from fer_deploy.report.layer_tables import noise_columns
from fer_deploy.report.plots import Styles
from fer_deploy.report.schema import GraphReport, Report
from fer_deploy.report.svg import GRID, INK, draw

_LONGEST_LABEL = 30
#: Inches per layer: the smallest at which names do not touch.
_ROW = 0.165


def noise_by_layer(report: Report, graph: GraphReport) -> str | None:
    """Return the signal-to-quantization-noise ratio of each layer: the graph as a line, artifacts as markers."""
    columns = noise_columns(report, graph)
    if not columns:
        return None
    names = [one.name for one in columns[0].layers]
    rows = {name: row for row, name in enumerate(names)}
    styles = Styles(report)

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        for column in columns:
            known = [
                (one.sqnr, rows[one.name]) for one in column.layers if one.sqnr.known and one.name in rows
            ]
            values, heights = [figure.value for figure, _ in known], [row for _, row in known]
            if column.artifact is None:
                axes.plot(values, heights, color=INK, linewidth=1.2, linestyle="--", zorder=3)
            elif known:
                figures: tuple[Measurement, ...] = tuple(figure for figure, _ in known)
                look = styles.marker(column.artifact, figures)
                axes.plot(values, heights, **look, markersize=styles.size(column.artifact) / 1.6)
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        axes.tick_params(axis="y", length=0, labelsize=7.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel("SQNR in dB: more is better")
        axes.grid(axis="x")
        axes.grid(axis="y", color=GRID, linewidth=0.4)
        shown = [column.artifact for column in columns if column.artifact is not None]
        styles.legend(figure, shown, with_float="--", reference="quantized graph")

    return draw(4.9, 1.2 + _ROW * len(names), f"Noise of each layer, {graph.recipe}", paint)


def _short(name: str) -> str:
    """Return a module path, its beginning left out where it is long: the end tells layers apart."""
    name = clean(name)
    return name if len(name) <= _LONGEST_LABEL else f"…{name[1 - _LONGEST_LABEL :]}"
