"""Reading views back the way their readers do: a browser, a Markdown renderer, a terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Literal

from markdown_it import MarkdownIt
from pydantic import BaseModel
from rich.console import Console

from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.schema import Report
from fer_deploy.report.terminal import print_report

#: HTML elements without an end tag.
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Checks that every tag is closed in order, and keeps tags, attributes, ids and visible text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> repeats an attribute"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return squeezed("".join(self.pieces))

    def attribute(self, name: str) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get(name)) is not None]


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def rendered(markdown: str) -> str:
    """Return the HTML of GitHub-like Markdown: tables, strikethrough, raw HTML allowed."""
    html: str = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    return html


def terminal(report: Report, width: int = 100, color: bool = False) -> str:
    stream = io.StringIO()
    system: Literal["truecolor"] | None = "truecolor" if color else None
    print_report(report, Console(file=stream, width=width, force_terminal=color, color_system=system))
    return stream.getvalue()


def figures(value: object) -> Iterator[Measurement]:
    """Yield every Measurement anywhere in a report."""
    if isinstance(value, Measurement):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from figures(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from figures(item)


def reasons(report: Report) -> set[str]:
    """Return every reason for a missing figure in a report."""
    return {figure.reason for figure in figures(report) if figure.reason is not None}
