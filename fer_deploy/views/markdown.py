"""Markdown as GitHub reads it, in which no free text is taken for markup: the report, and filled templates."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import assert_never

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.measurement import Measurement, Provenance
from fer_deploy.report.schema import Report
from fer_deploy.report.wording import LEGEND, MARKS, amount, clean, describe, interval
from fer_deploy.views.blocks import (
    Banner,
    Block,
    Entries,
    Facts,
    Folded,
    Gallery,
    Grid,
    Heading,
    Items,
    Legend,
    Look,
    Mark,
    Notes,
    Plot,
    Say,
    Section,
    Span,
    Text,
    View,
    visible,
)
from fer_deploy.views.document import Document, document, place
from fer_deploy.views.tables import Cell, Table, table_grounds

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


def fill(template: str, **values: object) -> str:
    """Return ``templates/<template>`` with ``values`` in it.

    A line that holds a block only leaves none behind; the filter ``md`` disarms free text. A name that the template
    asks for and ``values`` lacks is a bug and raises jinja2's ``UndefinedError``.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fer_deploy.views"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["md"] = escape
    return environment.get_template(template).render(**values)


_TOP_LEVEL = 1
_SECTION_LEVEL = 2


def render_markdown(report: Report, check: Check | None = None) -> str:
    """Return the report as Markdown: tables, then footnotes with the reasons for what was not measured.

    With a ``check`` of the report its verdicts come first.
    """
    return markdown(document(report, check))


def markdown(made: Document) -> str:
    """Return a document as Markdown."""
    return _Renderer(made).text()


class _Renderer:
    """Renders blocks, one method per kind that takes more than a line."""

    def __init__(self, made: Document) -> None:
        self._document = made

    def text(self) -> str:
        parts: list[str] = []
        for section, blocks in self._document.shown(View.MARKDOWN):
            if View.MARKDOWN in section.titled:
                parts.append(_title(section))
            parts += self._parts(blocks)
        return "\n\n".join(parts) + "\n"

    def _parts(self, blocks: tuple[Block, ...], folded: bool = False) -> Iterator[str]:
        for block in blocks:
            if lines := "\n".join(self._block(block, folded)):
                yield lines

    def _block(self, block: Block, folded: bool) -> Iterator[str]:
        match block:
            case Heading():
                yield f"{'#' * block.level} {escape(block.text)}"
            case Say():
                yield self._text(block.text)
            case Banner():
                yield f"**{escape(block.text)}**"
            case Items():
                if block.lead:
                    yield self._text(block.lead)
                    yield ""
                yield from (f"- {self._text(item)}" for item in block.items)
            case Entries():
                yield from self._entries(block)
            case Facts():
                yield from (f"- {escape(name)}: {self._text(text)}" for name, text in block.facts)
            case Grid():
                yield from self._grid(block, folded)
            case Folded():
                yield from self._folded(block)
            case Legend():
                for provenance, meaning in LEGEND.items():
                    mark = "footnote" if provenance is Provenance.NOT_MEASURED else MARKS[provenance]
                    yield f"- {mark} **{provenance}**: {meaning}"
            case Notes():
                for gap in block.gaps:
                    yield f"[^{gap.number}]: {escape(gap.reason)} — {escape(place(gap))}"
            case Plot() | Gallery():
                return  # nothing outside of this file can be shown, and GitHub shows no SVG inside of it
            case _:
                assert_never(block)

    def _entries(self, block: Entries) -> Iterator[str]:
        for number, entry in enumerate(block.entries):
            if number:
                yield ""
            lines = [self._text(line.text) for line in entry.lines]
            yield "- " + ": ".join((f"**{self._text(entry.term, plain=True)}**", *lines[:1]))
            yield from (f"  {line}" for line in lines[1:])

    def _grid(self, block: Grid, folded: bool) -> Iterator[str]:
        """Yield the table and how its figures were obtained, folded unless the table is."""
        table = block.table
        yield row((table.corner, *table.columns))
        rules = (
            " --- " if block.words or not _numeric(table, index) else " ---: "
            for index in range(len(table.columns))
        )
        yield "|" + "|".join((" --- ", *rules)) + "|"
        for name, cells in table.rows:
            yield (
                f"| {escape(name)} | "
                + " | ".join(self._cell(cell, words=block.words) for cell in cells)
                + " |"
            )
        grounds = [f"- {escape(way)} — {escape(where)}" for way, where in table_grounds(table).items()]
        if block.words or not grounds:
            return
        if folded:
            yield from ("", *grounds)
        else:
            yield from ("", "<details><summary>How these figures were obtained</summary>", "", *grounds)
            yield from ("", "</details>")

    def _folded(self, block: Folded) -> Iterator[str]:
        """Yield a summary and what is behind it. Inside <summary> GitHub reads HTML, not Markdown."""
        yield f"<details><summary>{''.join(map(_html, block.title))}</summary>"
        for part in self._parts(visible(block.blocks, View.MARKDOWN), folded=True):
            yield from ("", part)
        yield from ("", "</details>")

    def _text(self, text: Text, plain: bool = False) -> str:
        """Return a line; if ``plain``, without emphasis of its own."""
        parts = []
        for part in text:
            match part:
                case Measurement():
                    parts.append(self._cell(part, intervals=part.provenance is Provenance.ESTIMATED))
                case Span(look=Look.STRONG) if not plain:
                    parts.append(f"**{escape(part.text)}**")
                case Span():
                    parts.append(escape(part.text))
                case Mark():
                    parts.append(MARKS[part.provenance])
                case str():
                    parts.append(escape(part))
                case _:
                    assert_never(part)
        return "".join(parts)

    def _cell(self, cell: Cell, intervals: bool = True, words: bool = False) -> str:
        if isinstance(cell, str):
            return escape(cell)
        if words:
            return escape(describe(cell))
        if not cell.known:
            return f"not measured [^{self._document.number(cell)}]"
        parts = [amount(cell), MARKS[cell.provenance]]
        if intervals and cell.interval is not None:
            parts.append(interval(cell))
        return " ".join(parts)


def _title(section: Section) -> str:
    """Return a section's heading; that of the whole document says what it is."""
    if section.kicker:
        return f"{'#' * _TOP_LEVEL} {escape(f'{section.kicker}: {section.title}')}"
    return f"{'#' * _SECTION_LEVEL} {escape(section.title)}"


def _html(part: Measurement | str | Span | Mark) -> str:
    """Return a part of a line in HTML."""
    match part:
        case Measurement():
            return html.escape(describe(part))
        case Span(look=Look.STRONG):
            return f"<b>{html.escape(clean(part.text))}</b>"
        case Span():
            return html.escape(clean(part.text))
        case Mark():
            return MARKS[part.provenance]
        case str():
            return html.escape(clean(part))
        case _:
            assert_never(part)


def _numeric(table: Table, index: int) -> bool:
    """Return whether a column holds figures or counts, which stand flush right."""
    cells = [cells[index] for _, cells in table.rows]
    return any(isinstance(cell, Measurement) or cell.replace(",", "").isdigit() for cell in cells)
