"""Text and table rows as GitHub-flavoured Markdown in which nothing of a report is taken for markup."""

from __future__ import annotations

import re

from fer_deploy.report.wording import clean

#: ASCII punctuation that starts markup somewhere inside a line; CommonMark lets a backslash disarm each.
_INSIDE = re.compile(r"([\\`*_{}\[\]|~$#!])")
_AT_START = re.compile(r"^(\s*)([-+=>]|\d+(?=[.)](?:\s|$)))")


def escape(text: str) -> str:
    """Return ``text`` so that it reads as itself in Markdown, in a table cell as well as in a line."""
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _INSIDE.sub(r"\\\1", text)
    text = _AT_START.sub(_disarm, text)
    # An address is the only markup of GitHub's that has no leading character of its own.
    return text.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def _disarm(found: re.Match[str]) -> str:
    space, mark = found.groups()
    return f"{space}&#{ord(mark[0])};{mark[1:]}"


def row(cells: tuple[str, ...]) -> str:
    """Return a table row of free text."""
    return "| " + " | ".join(map(escape, cells)) + " |"
