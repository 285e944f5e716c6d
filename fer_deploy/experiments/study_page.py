"""A study's pages: the table as Markdown, the plots as SVG, written beside the JSON that is the stored form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fer_deploy.experiments.study_schema import StudyReport, StudyRow
from fer_deploy.files import write_atomic
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.wording import amount, bare_amount, clean, interval
from fer_deploy.views.markdown import fill
from fer_deploy.views.svg import INK, MARKERS, MUTED, SERIES, draw, standalone

TEMPLATE = "study.md.j2"


def render_study(report: StudyReport, plots: Mapping[str, str]) -> str:
    """Return the study as Markdown; ``plots`` maps the plots' file names to their titles."""
    best_first = sorted(report.rows, key=lambda row: row.accuracy.value or 0.0, reverse=True)
    outside = [row for row in best_first if row.delegation.share.value != 1.0]
    return fill(
        TEMPLATE,
        report=report,
        rows=best_first,
        outside=outside,
        timing=_timing_note(report),
        plots=plots,
        amount=amount,
        bare=bare_amount,
        interval=interval,
    )


def _timing_note(report: StudyReport) -> str:
    """Return how the latencies were measured and how many of the timings were judged valid."""
    conditions = [row.int8_latency.conditions for row in report.rows if row.int8_latency.known]
    if not conditions:
        return "No latency was measured."
    valid = sum(one.get("verdict", "").startswith("VALID") for one in conditions)
    loads = sorted({one["load average"] for one in conditions if "load average" in one})
    threads = sorted({one["threads"] for one in conditions if "threads" in one})
    return (
        f"Latency is this host's ({', '.join(threads)} thread, batch 1), all architectures in turns when all were "
        f"trained. {valid} of {len(conditions)} timings were judged valid; load average of the host: "
        f"{', '.join(loads) or 'not known'}. It ranks, and says nothing of a phone."
    )


#: File name, title, axis label, figure and its divisor of each scatter plot.
_COSTS: tuple[tuple[str, str, str, Callable[[StudyRow], Measurement], float], ...] = (
    ("parameters.svg", "Accuracy and parameters", "parameters in thousands", lambda row: row.parameters, 1e3),
    ("macs.svg", "Accuracy and MACs", "MACs in millions", lambda row: row.macs, 1e6),
    ("size.svg", "Accuracy and int8 size", "int8 size in KB", lambda row: row.int8_size, 1e3),
    (
        "latency.svg",
        "Accuracy and int8 latency on the host",
        "median int8 latency in ms",
        lambda row: row.int8_latency,
        1.0,
    ),
)


def study_plots(report: StudyReport) -> dict[str, tuple[str, str]]:
    """Return file name to title and SVG document of every plot that the study has figures for."""
    plots = {}
    for name, title, axis, cost, divisor in _COSTS:
        points = [
            (row, x / divisor, 100 * y)
            for row in report.rows
            if (x := cost(row).value) is not None and (y := row.accuracy.value) is not None
        ]
        if points:
            plots[name] = (title, standalone(_scatter(report, points, axis, title)))
    title = "Recall per class"
    plots["recall.svg"] = (title, standalone(_recalls(report, title)))
    return plots


def _scatter(report: StudyReport, points: list[tuple[StudyRow, float, float]], axis: str, title: str) -> str:
    """Return float accuracy in % over ``axis``, one colour and marker per family, its sizes joined by a line."""
    families = list(dict.fromkeys(row.family for row in report.rows))

    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        for number, family in enumerate(families):
            mine = sorted((x, y) for row, x, y in points if row.family == family)
            if not mine:
                continue
            color, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
            axes.plot(
                [x for x, _ in mine],
                [y for _, y in mine],
                color=color,
                marker=marker,
                markersize=6,
                linewidth=1,
                alpha=0.9,
                label=clean(family),
            )
        for row, x, y in points:
            bounds = row.accuracy.interval
            if bounds is not None:
                color = SERIES[families.index(row.family) % len(SERIES)]
                axes.plot([x, x], [100 * bounds.low, 100 * bounds.high], color=color, alpha=0.3, linewidth=1)
            size = _size_name(report, row)
            if size:
                axes.annotate(
                    size, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=7.5, color=MUTED
                )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        axes.set_xlabel(axis)
        axes.set_ylabel("validation accuracy in %, float")
        axes.grid()
        figure.legend(loc="outside lower center", ncols=3, columnspacing=1.2, handletextpad=0.3)

    return draw(6.4, 4.8, title, paint)


def _size_name(report: StudyReport, row: StudyRow) -> str:
    """Return what tells an architecture from its family: ``x0.5``, ``s``; empty for one that stands for it alone."""
    rest = row.label.removeprefix(row.family).strip(" _")
    alone = sum(other.family == row.family for other in report.rows) == 1
    return clean(rest) or ("" if alone else "x1")


def _recalls(report: StudyReport, title: str) -> str:
    """Return the recalls as a map: one row per architecture, best first, one column per class."""
    rows = sorted(report.rows, key=lambda row: row.accuracy.value or 0.0, reverse=True)
    labels = list(report.validation.per_class)

    def paint(figure: Any) -> None:
        from matplotlib.patches import Rectangle

        axes = figure.add_subplot()
        for y, row in enumerate(rows):
            for x, label in enumerate(labels):
                value = row.recalls[label].value
                if value is not None:
                    corner = (x - 0.5, y - 0.5)
                    axes.add_patch(
                        Rectangle(corner, 1, 1, facecolor=SERIES[0], alpha=0.6 * value, linewidth=0)
                    )
                text = "–" if value is None else f"{100 * value:.0f}"
                axes.text(x, y, text, ha="center", va="center", fontsize=8.5, color=INK)
        axes.set_xticks(range(len(labels)), [clean(label) for label in labels], rotation=40, ha="right")
        axes.set_yticks(range(len(rows)), [clean(row.label) for row in rows])
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("recall in %, float, validation split")

    return draw(2.6 + 0.5 * len(labels), 1.2 + 0.27 * len(rows), title, paint)


def write_study(report: StudyReport, folder: Path) -> dict[str, Path]:
    """Write ``study.json``, ``study.md`` and the plots into ``folder`` and return them by file name.

    Everything is rendered before the first file is written, and each file is replaced as a whole.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    plots = study_plots(report)
    files = {
        "study.json": report.model_dump_json(indent=1) + "\n",
        "study.md": render_study(report, {name: title for name, (title, _) in plots.items()}),
        **{name: svg for name, (_, svg) in plots.items()},
    }
    for name, content in files.items():
        write_atomic(folder / name, content)
    return {name: folder / name for name in files}
