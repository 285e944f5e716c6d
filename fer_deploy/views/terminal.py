"""The report for a terminal, at most 100 columns wide. Nothing in it is read as rich markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from fer_deploy.gate.verdicts import Change, Check, Outcome
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.report.wording import LEGEND, MARKS, clean
from fer_deploy.views.blocks import (
    Banner,
    Block,
    Document,
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
from fer_deploy.views.document import change_document, check_document, device_document, document
from fer_deploy.views.gaps import place
from fer_deploy.views.terminal_table import Figures, columns_apart, fitting, styled

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text as RichText

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
