"""The report as one HTML page that needs nothing else: no network, no script, no second file."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report import wording as text
from fer_deploy.report.schema import Report
from fer_deploy.views import device_tables, layer_plots, layer_tables, plots, tables, verdict_tables
from fer_deploy.views.gaps import footnotes, gaps, place
from fer_deploy.views.svg import FEWER, GRID, INK, MORE, MUTED, SERIES, VARIABLES

if TYPE_CHECKING:
    from jinja2 import Template

#: What the plots' colours become on a dark page, keyed by their light value: same hue, lighter.
_DARK = {INK: "#e6e9ec", MUTED: "#9aa5b0", GRID: "#39424b", MORE: "#56b4e9", FEWER: "#f0934e"} | dict(
    zip(SERIES, ("#56b4e9", "#f0934e", "#35c79b", "#dd9ac6", "#d9b84a", "#98a5f5"), strict=True)
)


def render_html(report: Report, check: Check | None = None) -> str:
    """Return the page, with the verdicts of a ``check`` of the report when there is one.

    All text of the report is escaped; the only markup put in unescaped is our own SVG.
    """
    numbers = footnotes(report)

    def gap_number(figure: Measurement) -> int:
        return numbers.number(figure)

    return _template().render(
        report=report,
        check=check,
        gap_number=gap_number,
        gaps=gaps(report),
        size_plot=_safe(plots.accuracy_against_size(report)),
        reliability_plot=_safe(plots.reliability_curve(report)),
        recall_plot=_safe(plots.recall_per_class(report)),
        latency_plots={
            device.name: _safe(plots.accuracy_against_latency(report, device)) for device in report.devices
        },
        confusion_plots={one.key: _safe(plots.confusion_change(report, one)) for one in report.artifacts},
        noise_plots={one.recipe: _safe(layer_plots.noise_by_layer(report, one)) for one in report.graphs},
        time_plots={one.name: _safe(layer_plots.time_by_layer(report, one)) for one in report.devices},
        headline=partial(tables.headline, report),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fer_deploy.views", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        text=text,
        tables=tables,
        device_tables=device_tables,
        layer_tables=layer_tables,
        verdict_tables=verdict_tables,
        place=place,
        marker_note=plots.MARKER_NOTE,
        light={name: color for color, name in VARIABLES.items()},
        dark={name: _DARK[color] for color, name in VARIABLES.items()},
        MARKS=text.MARKS,
        LEGEND=text.LEGEND,
    )
    environment.tests["figure"] = _is_figure
    environment.filters["clean"] = text.clean
    return environment.get_template("report.html.j2")


def _is_figure(cell: object) -> bool:
    return isinstance(cell, Measurement)


def _safe(svg: str | None) -> str | None:
    """Return our own SVG marked as markup; its text was escaped when it was serialised."""
    from markupsafe import Markup

    return None if svg is None else Markup(svg)
