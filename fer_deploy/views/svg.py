"""Matplotlib figures as SVG that can stand inside a page: no foreign ids, fonts, styles or colours.

Several inline SVGs share one id space and one style sheet with the page around them, so ids get a
prefix, matplotlib's own ``<style>`` goes, and the colours below become CSS variables that the page
may set for light and dark. Text stays text.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from fer_deploy.report.wording import clean

#: Colour-blind-safe (Okabe-Ito), each with the CSS variable through which a page may replace it.
INK, MUTED, GRID = "#1f2429", "#5c6670", "#d5dae0"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#b0619a", "#8a6d00", "#4b5bb5")
MORE, FEWER = "#0071b3", "#d55f01"
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", MORE: "--more", FEWER: "--fewer"} | {
    color: f"--series-{number}" for number, color in enumerate(SERIES, 1)
}
MARKERS = ("o", "s", "D", "^", "v", "P", "X")

_SETTINGS = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.usetex": False,
    "text.parse_math": False,  # a label with a dollar sign is not a formula
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify": True,
}
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_COLOR = re.compile(r"#[0-9a-f]{6}\b")


def draw(width: float, height: float, title: str, paint: Callable[[Any], None]) -> str:
    """Return an inline SVG of ``width`` x ``height`` inches that ``paint`` drew on a matplotlib Figure.

    ``title`` is its accessible name and the source of its ids, so it has to be unique within a page. Free
    text that ``paint`` draws has to be :func:`~fer_deploy.report.wording.clean`.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    salt = hashlib.sha256(clean(title).encode()).hexdigest()[:10]
    buffer = io.StringIO()
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": salt}), warnings.catch_warnings():
        # The browser draws the text; that matplotlib's own font lacks a label's glyph does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        paint(figure)
        # Not savefig: it draws everything once before, for a layout that print_svg makes as well.
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return _inline(buffer.getvalue(), f"p{salt}", clean(title))


def standalone(inline: str) -> str:
    """Return an inline SVG of :func:`draw` as a document of its own, on white: its ink is dark."""
    root = ElementTree.fromstring(inline)
    root.set("xmlns", _SVG.strip("{}"))
    backdrop = ElementTree.Element("rect", {"width": "100%", "height": "100%", "fill": "white"})
    root.insert(1, backdrop)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _inline(document: str, prefix: str, title: str) -> str:
    """Return the ``<svg>`` element of matplotlib's document, safe to put beside others in one page."""
    root = ElementTree.fromstring(document)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata") or (
                child.tag == f"{_SVG}defs" and child.find(f"{_SVG}style") is not None
            ):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        for name, value in list(element.attrib.items()):
            del element.attrib[name]
            element.set(name.removeprefix(_XLINK), _attribute(name.removeprefix(_XLINK), value, prefix))
    caption = ElementTree.Element("title", {"id": f"{prefix}-title"})
    caption.text = title
    root.insert(0, caption)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title")
    root.set("class", "plot")
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    return ElementTree.tostring(root, encoding="unicode")


def _attribute(name: str, value: str, prefix: str) -> str:
    match name:
        case "id":
            return f"{prefix}-{value}"
        case "href":
            return value.replace("#", f"#{prefix}-", 1)
        case "clip-path":
            return value.replace("url(#", f"url(#{prefix}-", 1)
        case "style":
            return _COLOR.sub(_variable, value)
    return value


def _variable(found: re.Match[str]) -> str:
    name = VARIABLES.get(found[0])
    return f"var({name}, {found[0]})" if name else found[0]
