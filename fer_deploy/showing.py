"""How a value reads where Python shows it: at a prompt, in a traceback, in a notebook.

What is shown is defined far down, and how it looks stands far up, in :mod:`fer_deploy.views`. The package itself, which
stands above all, brings the two together here, and nothing is imported before something is shown.
"""

from __future__ import annotations

from collections.abc import Callable


class _Looks:
    """The functions that give a value's text and HTML; without them it reads as any object does."""

    text: Callable[[object], str] = staticmethod(object.__repr__)
    html: Callable[[object], str | None] = staticmethod(lambda _: None)


def shown_by(text: Callable[[object], str], html: Callable[[object], str | None]) -> None:
    """Have values shown by these functions from now on."""
    _Looks.text, _Looks.html = staticmethod(text), staticmethod(html)


class Shown:
    """A value that reads in one to three lines."""

    def __repr__(self) -> str:
        return _Looks.text(self)

    def __str__(self) -> str:
        return _Looks.text(self)


class ShownAsHtml(Shown):
    """A value that a notebook shows as HTML as well."""

    def _repr_html_(self) -> str | None:
        """Return it as a piece of HTML that stands in a page of somebody else, without scripts."""
        return _Looks.html(self)
