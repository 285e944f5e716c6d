"""What a notebook shows of a value: a piece of HTML inside of a page that is somebody else's.

Its style holds within it only, its ids are its own, and it brings no script.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files

from fer_deploy.views.document import short_document
from fer_deploy.views.html import dark_colors, light_colors, render

#: The class of the element that holds everything.
SCOPE = "fer-deploy-view"
_OUTER = (":root", "html", "body")
_RULE = re.compile(r"([^{}]+)\{")
#: What names an id, or leads to one.
_ID = re.compile(r'(\b(?:id|aria-labelledby|aria-describedby)="|\bhref="#|\burl\(#)')


def html(value: object) -> str | None:
    """Return a report's summary, a check or a comparison as HTML; None for anything else."""
    made = short_document(value)
    if made is None:
        return None
    body = render(made, "notebook.html.j2")
    own = hashlib.sha256(body.encode()).hexdigest()[:8]
    body = _ID.sub(rf"\g<1>fd-{own}-", body)
    return f'<div class="{SCOPE}">\n<style>\n{_style()}</style>\n{body}</div>\n'


def scoped(css: str, scope: str) -> str:
    """Return a style sheet whose rules hold inside of ``scope`` alone; what is for the page is for ``scope`` itself."""

    def rule(found: re.Match[str]) -> str:
        selectors = found[1].strip()
        if selectors.startswith("@"):
            return f"\n{selectors} {{"
        return f"\n{', '.join(_inside(one.strip(), scope) for one in selectors.split(','))} {{"

    return _RULE.sub(rule, css)


def _inside(selector: str, scope: str) -> str:
    return scope if selector in _OUTER else f"{scope} {selector}"


@cache
def _style() -> str:
    def colors(values: dict[str, str]) -> str:
        return f":root {{ {' '.join(f'{name}: {color};' for name, color in values.items())} }}"

    sheet = (files("fer_deploy.views") / "templates" / "report.css").read_text(encoding="utf-8")
    plots = f"{colors(light_colors())}\n@media (prefers-color-scheme: dark) {{ {colors(dark_colors())} }}\n"
    return scoped(plots + sheet, f".{SCOPE}")
