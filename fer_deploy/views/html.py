"""The report as one HTML page that needs nothing else: no network, no script, no second file."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report import wording
from fer_deploy.report.schema import Report
from fer_deploy.views.blocks import Block, Draw, Span, View, visible
from fer_deploy.views.document import Document, document, place
from fer_deploy.views.svg import FEWER, GRID, INK, MORE, MUTED, SERIES, VARIABLES
from fer_deploy.views.tables import INVALID, cell_runs, table_grounds

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

#: What the plots' colours become on a dark page, keyed by their light value: same hue, lighter.
_DARK = {INK: "#e6e9ec", MUTED: "#9aa5b0", GRID: "#39424b", MORE: "#56b4e9", FEWER: "#f0934e"} | dict(
    zip(SERIES, ("#56b4e9", "#f0934e", "#35c79b", "#dd9ac6", "#d9b84a", "#98a5f5"), strict=True)
)


def render_html(report: Report, check: Check | None = None) -> str:
    """Return the page, with the verdicts of a ``check`` of the report when there is one."""
    return page(document(report, check))


def page(made: Document) -> str:
    """Return a document as a page.

    All text of the document is escaped; the only markup put in unescaped is our own SVG.
    """
    return render(made, "report.html.j2")


def render(made: Document, template: str) -> str:
    """Return a document by one of our templates, which is given its sections and a function for their blocks."""
    from markupsafe import Markup

    def blocks(several: tuple[Block, ...]) -> Markup:
        shown = visible(several, View.HTML)
        return Markup("\n").join(getattr(macros, type(block).__name__.lower())(block) for block in shown)

    environment = _environment()
    macros = environment.get_template("blocks.html.j2").make_module({"number": made.number, "blocks": blocks})
    return environment.get_template(template).render(
        document=made, sections=made.shown(View.HTML), blocks=blocks, page=View.HTML
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fer_deploy.views", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        wording=wording,
        cell_runs=cell_runs,
        grounds=table_grounds,
        place=place,
        picture=_picture,
        light=light_colors(),
        dark=dark_colors(),
        INVALID=INVALID,
        MARKS=wording.MARKS,
        LEGEND=wording.LEGEND,
    )
    environment.tests["figure"] = _is_figure
    environment.tests["span"] = _is_span
    environment.filters["clean"] = wording.clean
    return environment


def light_colors() -> dict[str, str]:
    """Return variable to colour of the plots."""
    return {name: color for color, name in VARIABLES.items()}


def dark_colors() -> dict[str, str]:
    """Return variable to colour of the plots on a dark page."""
    return {name: _DARK[color] for color, name in VARIABLES.items()}


def _is_figure(part: object) -> bool:
    return isinstance(part, Measurement)


def _is_span(part: object) -> bool:
    return isinstance(part, Span)


def _picture(draw: Draw) -> Markup | None:
    """Return our own SVG marked as markup; its text was escaped when it was serialised."""
    from markupsafe import Markup

    svg = draw()
    return None if svg is None else Markup(svg)
