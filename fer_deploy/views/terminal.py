"""The report for a terminal, at most 100 columns wide: narrow tables with marks, and numbers in place of reasons.

Nothing in it is read as rich markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, assert_never

from fer_deploy.gate.verdicts import Change, Check, Outcome
from fer_deploy.measure.measurement import Measurement, Provenance, Unit
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.report.wording import LEGEND, MARKS, amount, bare_amount, clean, describe, interval
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
    Span,
    Text,
    View,
)
from fer_deploy.views.document import (
    Document,
    change_document,
    check_document,
    device_document,
    document,
    place,
)
from fer_deploy.views.sections.devices import TIMES
from fer_deploy.views.tables import INVALID, Cell, Table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text as RichText


_LONG_NAME = 11  # characters; no longer a name stays on one line even where space is short
_UNBOUNDED = 1000  # columns, to ask a table for its natural width
#: Columns that hold words, not figures.
_WORDS = ("timing", "of", "verdict", "limit", "because", "change")
_STYLES = {Provenance.MEASURED: "green", Provenance.EMULATED: "cyan", Provenance.ESTIMATED: "yellow"}


def styled(text: str, style: str = "") -> RichText:
    """Return ``text`` as rich's, none of it read as markup."""
    from rich.text import Text as RichText

    return RichText(text, style=style)


class Figures:
    """Figures with the footnote numbers of one document."""

    def __init__(self, made: Document) -> None:
        self._document = made

    def in_text(self, figure: Measurement) -> RichText:
        """Return a figure for running text."""
        return self._marked(figure, amount(figure), intervals=False, between=" ")

    def cell(self, cell: Cell, column: str, words: bool, intervals: bool) -> RichText:
        """Return a cell of a table."""
        if cell == INVALID:
            return styled(cell, "bold red")
        if isinstance(cell, str):
            return styled(MARKS[Provenance.NOT_MEASURED] if cell == Provenance.NOT_MEASURED else clean(cell))
        if words:
            return styled(describe(cell))
        value = bare_amount(cell) if column in TIMES and cell.unit is Unit.MILLISECONDS else amount(cell)
        return self._marked(cell, value, intervals or column == "p50", between="\n")

    def _marked(self, figure: Measurement, value: str, intervals: bool, between: str) -> RichText:
        """Return value and marker; an estimate always shows its interval."""
        if not figure.known:
            return styled(f"{MARKS[Provenance.NOT_MEASURED]} [{self._document.number(figure)}]", "dim")
        text = styled(f"{value} ").append(MARKS[figure.provenance], style=_STYLES[figure.provenance])
        if figure.interval is not None and (intervals or figure.provenance is Provenance.ESTIMATED):
            text.append(f"{between}{interval(figure)}", style="dim")
        return text


def fitting(
    table: Table, figures: Figures, words: bool, intervals: bool, console: Console, width: int
) -> RichTable:
    """Return one table for a terminal ``width`` columns wide. Row names break where they would be squeezed."""
    from rich.measure import Measurement as Extent

    grid = _grid(table, figures, words, intervals, str)
    if Extent.get(console, console.options.update(width=_UNBOUNDED), grid).maximum <= width:
        return grid
    return _grid(table, figures, words, intervals, _broken)


def columns_apart(table: Table, most: int | None) -> Iterator[Table]:
    """Yield the table in pieces of at most ``most`` columns; the first two columns repeat in each."""
    if most is None:
        yield table
        return
    fixed, free = table.columns[:2], table.columns[2:]
    for start in range(0, max(len(free), 1), most - len(fixed)):
        part = slice(start + len(fixed), start + most)
        rows = tuple((name, (*cells[: len(fixed)], *cells[part])) for name, cells in table.rows)
        yield Table(table.corner, (*fixed, *table.columns[part]), rows)


def _grid(
    table: Table, figures: Figures, words: bool, intervals: bool, name_of: Callable[[str], str]
) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable

    grid = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    grid.add_column(styled(clean(table.corner)), overflow="fold", style="bold")
    for column in table.columns:
        grid.add_column(
            styled(_heading(column)), justify="left" if column in _WORDS else "right", overflow="fold"
        )
    for name, cells in table.rows:
        line = [
            figures.cell(cell, column, words, intervals)
            for column, cell in zip(table.columns, cells, strict=True)
        ]
        grid.add_row(styled(name_of(clean(name))), *line)
    return grid


def _heading(column: str) -> str:
    """Return the column's heading: times name their unit, words and keys stand below each other."""
    if column in TIMES:
        return f"{column} ms".replace("first inference", "first\ninference")
    return (
        _broken(clean(column))
        .replace("peak memory", "peak\nmemory")
        .replace(" logit diff.", "\ndifference")
        .replace("McNemar p", "McNemar\np")
    )


def _broken(name: str) -> str:
    """Return a long ``target-recipe`` key on two lines."""
    target, dash, recipe = name.partition("-")
    return f"{target}{dash}\n{recipe}" if recipe and len(name) > _LONG_NAME else name


#: Wider terminals get no wider report: the eye loses the row.
MAX_WIDTH = 100
_LOOKS = {
    Look.STRONG: "bold",
    Look.CODE: "",
    Look.FINE: "dim",
    Look.GOOD: "bold green",
    Look.BAD: "bold red",
    Look.DOUBTFUL: "bold yellow",
}
_OUTCOMES = {Outcome.PASS: Look.GOOD, Outcome.FAIL: Look.BAD, Outcome.NOT_MEASURED: Look.DOUBTFUL}
#: Sign and style of an item, by its list's look.
_BULLETS = {Look.DOUBTFUL: ("! ", "yellow"), Look.BAD: ("  ", "red")}
_BULLET = ("- ", "")


def print_summary(report: Report, console: Console) -> None:
    """Print what a run is judged by: the artifacts, the devices, and what could not be measured."""
    print_document(document(report), console, summary=True)


def print_report(report: Report, console: Console) -> None:
    """Print the report. Nothing in it is read as rich markup, and control characters are gone."""
    print_document(document(report), console)


def print_check(check: Check, console: Console) -> None:
    """Print the verdicts, the worst last, and then the one line that they come to."""
    print_document(check_document(check), console)


def print_changes(changes: tuple[Change, ...], console: Console) -> None:
    """Print changes, or that there are none."""
    print_document(change_document(changes), console)


def print_device(device: DeviceReport, console: Console) -> None:
    """Print one device's figures alone, with the reasons for what is missing and the legend."""
    print_document(device_document(device), console)


def print_document(made: Document, console: Console, summary: bool = False) -> None:
    """Print a document, or those of its sections that are part of a summary, in which intervals are left out."""
    printer = _Printer(made, console, intervals=not summary)
    for section, blocks in made.shown(View.TERMINAL, summary):
        if View.TERMINAL in section.titled:
            printer.heading(section.title)
        for block in blocks:
            printer.block(block)


class _Printer:
    """Prints blocks, one method per kind that takes more than a line."""

    def __init__(self, made: Document, console: Console, intervals: bool) -> None:
        self._console = console
        self._width = min(MAX_WIDTH, console.width)
        self._intervals = intervals
        self._figures = Figures(made)

    def heading(self, text: str) -> None:
        self._print(styled(f"\n{clean(text)}", "bold"))

    def block(self, block: Block) -> None:
        match block:
            case Heading():
                self.heading(block.text)
            case Say():
                self._print(self._line(block.text, "dim" if block.fine else ""))
            case Banner():
                self._print(styled(f"\n{clean(block.text)}", _LOOKS[_OUTCOMES[Outcome(block.outcome)]]))
            case Items():
                self._items(block)
            case Entries():
                for entry in block.entries:
                    self._print(self._line(entry.term, "bold"))
                    for line in entry.lines:
                        self._indented(self._line(line.text, "dim" if line.fine else ""))
            case Facts():
                for name, text in block.facts:
                    self._print(styled(f"{clean(name)}: ", "bold").append_text(self._line(text)))
            case Grid():
                self._grid(block)
            case Folded():
                self._print(self._line(block.title))
            case Legend():
                for provenance, meaning in LEGEND.items():
                    self._print(styled(f"{MARKS[provenance]:<3} {provenance}: {meaning}", "dim"))
            case Notes():
                for gap in block.gaps:
                    self._print(styled(f"[{gap.number}] ", "bold").append(gap.reason))
                    self._indented(styled(place(gap), "dim"))
            case Plot() | Gallery():
                return  # a terminal shows no picture
            case _:
                assert_never(block)

    def _items(self, block: Items) -> None:
        if block.lead:
            self._print(self._line(block.lead, _LOOKS[block.look]))
        bullet, style = _BULLETS.get(block.look, _BULLET)
        for item in block.items:
            self._print(styled(bullet, _LOOKS[block.look]).append_text(self._line(item, style)))

    def _grid(self, block: Grid) -> None:
        intervals = block.intervals and self._intervals
        for number, table in enumerate(columns_apart(block.table, block.pieces)):
            if number:
                self.heading(block.caption)
            self._print(fitting(table, self._figures, block.words, intervals, self._console, self._width))

    def _line(self, text: Text, style: str = "") -> RichText:
        line = styled("")
        for part in text:
            match part:
                case Measurement():
                    line.append_text(self._figures.in_text(part))
                case Span():
                    line.append(clean(part.text), style=f"{style} {_LOOKS[part.look]}".strip())
                case Mark():
                    line.append(MARKS[part.provenance], style=style)
                case str():
                    line.append(clean(part), style=style)
                case _:
                    assert_never(part)
        return line

    def _indented(self, text: RichText) -> None:
        from rich.padding import Padding

        self._print(Padding(text, (0, 0, 0, 4)))

    def _print(self, what: object) -> None:
        self._console.print(what, width=self._width, highlight=False, markup=False, emoji=False)
