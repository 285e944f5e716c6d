"""The report as tables for a terminal, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fer_deploy.gate.verdicts import Change, Check, Outcome
from fer_deploy.measure.measurement import Measurement, Provenance, Unit
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.report.wording import (
    LEGEND,
    MARKS,
    UNITS_NOTE,
    Footnotes,
    amount,
    bare_amount,
    clean,
    describe,
    interval,
)
from fer_deploy.views.device_tables import TIMES, device_table, invalid_timings, runtimes
from fer_deploy.views.gaps import footnotes, gaps, place
from fer_deploy.views.layer_tables import noisiest, slowest
from fer_deploy.views.tables import (
    INVALID,
    Cell,
    Sentence,
    Table,
    accuracy_table,
    artifact_table,
    between_table,
    class_table,
    model_sentence,
    parity_table,
)
from fer_deploy.views.verdict_tables import MARKS as VERDICT_MARKS
from fer_deploy.views.verdict_tables import passes, verdict_groups, where

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

#: Wider terminals get no wider report: the eye loses the row.
MAX_WIDTH = 100
#: Columns of artifacts that fit beside a class name.
_CLASS_COLUMNS = 6
_LONG_NAME = 11  # characters; no longer a name stays on one line even where space is short
_UNBOUNDED = 1000  # columns, to ask a table for its natural width
_VERDICT_STYLES = {Outcome.PASS: "bold green", Outcome.FAIL: "bold red", Outcome.NOT_MEASURED: "bold yellow"}
#: Columns that hold words, not figures.
_WORDS = ("timing", "of", "verdict", "limit", "because", "change")
_OUTCOME_STYLES = {mark: _VERDICT_STYLES[outcome] for outcome, mark in VERDICT_MARKS.items()}
_STYLES = {Provenance.MEASURED: "green", Provenance.EMULATED: "cyan", Provenance.ESTIMATED: "yellow"}


def print_summary(report: Report, console: Console) -> None:
    """Print what a run is judged by: the artifacts, the devices, and what could not be measured."""
    view = _View(report, console)
    view.heading(report.model.name)
    view.sentence(model_sentence(report))
    view.warnings(report.warnings)
    view.table("Artifacts", artifact_table(report), intervals=False)
    for device in report.devices:
        view.device(device)
    view.layers(report)
    view.gaps()
    view.legend()


def print_report(report: Report, console: Console) -> None:
    """Print the report. Nothing in it is read as rich markup, and control characters are gone."""
    view = _View(report, console)
    view.heading(report.model.name)
    view.sentence(model_sentence(report))
    view.warnings(report.warnings)
    view.table("Artifacts", artifact_table(report), intervals=True)
    view.table("Parity with the float model", parity_table(report), intervals=False)
    view.table("Further accuracy figures", accuracy_table(report), intervals=True)
    for part in _columns_apart(class_table(report), _CLASS_COLUMNS):
        view.table("Recall per class", part, intervals=False)
    view.table("Targets against each other", between_table(report), intervals=True)
    for device in report.devices:
        view.device(device)
    view.layers(report)
    view.gaps()
    view.legend()


def print_check(report: Report, check: Check, console: Console) -> None:
    """Print the verdicts, the worst first, and the one line that they come to last."""
    view = _View(report, console)
    view.heading(f"Verdicts on {check.model}")
    view.verdicts(check)
    if check.changes:
        view.heading("Against the reference")
    view.changes(check.changes)
    view.warnings(check.notes)
    view.verdict(check)


def print_changes(changes: tuple[Change, ...], report: Report, console: Console) -> None:
    """Print the changes up to ``report``, or that there are none."""
    view = _View(report, console)
    if not changes:
        view.heading("No figure differs beyond noise.")
    view.changes(changes)


def print_device(device: DeviceReport, console: Console) -> None:
    """Print one device's figures alone, with the reasons for what is missing and the legend."""
    view = _View(device, console)
    view.device(device)
    view.gaps()
    view.legend()


class _View:
    """Prints parts of one report with one numbering of the reasons."""

    def __init__(self, whole: Report | DeviceReport, console: Console) -> None:
        self._console = console
        self._width = min(MAX_WIDTH, console.width)
        self._gaps = gaps(whole)
        self._numbers: Footnotes = footnotes(whole)

    def heading(self, text: str) -> None:
        self._print(self._text(f"\n{clean(text)}", "bold"))

    def verdicts(self, check: Check) -> None:
        from rich.padding import Padding

        for name, subjects in passes(check).items():
            self._print(self._text("✔ ", "green").append(clean(name), style="bold"))
            self._print(Padding(self._text(clean("; ".join(subjects)), "dim"), (0, 0, 0, 4)))
        # What is red comes last: that is where eyes are in a terminal.
        for group in reversed(verdict_groups(check)):
            limit = f", {group.limit}" if group.limit else ""
            line = self._text(f"{clean(group.outcome)}: ", _OUTCOME_STYLES.get(group.outcome[0], ""))
            line.append(clean(f"{group.figure}{limit}"), style="bold")
            self._print(line)
            self._print(Padding(self._text(clean(", ".join(group.subjects))), (0, 0, 0, 4)))
            self._print(Padding(self._text(clean(group.message), "dim"), (0, 0, 0, 4)))

    def changes(self, changes: tuple[Change, ...]) -> None:
        from rich.padding import Padding

        for one in changes:
            style = "bold red" if one.kind == "regression" else "bold green"
            self._print(self._text(f"{one.kind}: ", style).append(clean(where(one)), style="bold"))
            said = f"{describe(one.before)} before, {describe(one.after)} now; {one.message}"
            self._print(Padding(self._text(clean(said), "dim"), (0, 0, 0, 4)))

    def verdict(self, check: Check) -> None:
        self._print(self._text(f"\n{clean(check.summary)}", _VERDICT_STYLES[check.outcome]))

    def fine(self, text: str) -> None:
        self._print(self._text(clean(text), "dim"))

    def sentence(self, parts: Sentence) -> None:
        line = self._text("")
        for part in parts:
            if isinstance(part, str):
                line.append(clean(part))
            else:
                line.append_text(self._figure(part, amount(part), intervals=False, between=" "))
        self._print(line)

    def warnings(self, warnings: tuple[str, ...]) -> None:
        for warning in warnings:
            self._print(self._text("! ", "bold yellow").append(clean(warning), style="yellow"))

    def table(self, title: str, table: Table, intervals: bool) -> None:
        """Print one table; a table without rows is left out. Row names break where they would be squeezed."""
        from rich.measure import Measurement as Extent

        if not table.rows:
            return
        grid = self._grid(table, intervals, str)
        if (
            Extent.get(self._console, self._console.options.update(width=_UNBOUNDED), grid).maximum
            > self._width
        ):
            grid = self._grid(table, intervals, _broken)
        self.heading(title)
        self._print(grid)

    def _grid(self, table: Table, intervals: bool, name_of: Callable[[str], str]) -> RichTable:
        from rich import box
        from rich.table import Table as RichTable

        grid = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        grid.add_column(self._text(table.corner), overflow="fold", style="bold")
        for column in table.columns:
            grid.add_column(
                self._text(_heading(column)), justify="left" if column in _WORDS else "right", overflow="fold"
            )
        for name, cells in table.rows:
            line = [
                self._cell(cell, column, intervals) for column, cell in zip(table.columns, cells, strict=True)
            ]
            grid.add_row(self._text(name_of(clean(name))), *line)
        return grid

    def device(self, device: DeviceReport) -> None:
        title = f"{device.market_name} ({device.soc}, {device.os})"
        self.table(title, device_table(device), intervals=False)
        for artifact, why in invalid_timings(device):
            line = self._text(f"{INVALID} timing of {clean(artifact)}: ", "bold red")
            self._print(line.append(clean(why), style="red"))
        self.fine("; ".join(f"{name}: {', '.join(keys)}" for name, keys in runtimes(device).items()))

    def layers(self, report: Report) -> None:
        """Print the noisiest and the slowest layers; the files have them all."""
        timed = [(device, one) for device in report.devices for one in device.figures if one.layers]
        if timed or any(graph.layers for graph in report.graphs):
            self.heading("Layers")
        for graph in report.graphs:
            worst = ", ".join(f"{clean(one.name)} {amount(one.sqnr)}" for one in noisiest(graph.layers))
            if worst:
                self._print(self._text(f"most noise, {clean(graph.recipe)}: ", "bold").append(worst))
        for device, one in timed:
            named = ", ".join(
                f"{clean(each.layer or each.name)} {amount(each.share)}" for each in slowest(one)
            )
            title = f"slowest, {clean(one.artifact)} on {clean(device.market_name)}: "
            line = self._text(title, "bold").append(named)
            self._print(line.append(f" ({INVALID} timing)", style="red") if one.invalid else line)

    def gaps(self) -> None:
        from rich.padding import Padding

        if self._gaps:
            self.heading("Not measured, and why")
        for gap in self._gaps:
            self._print(self._text(f"[{gap.number}] ", "bold").append(gap.reason))
            self._print(Padding(self._text(place(gap), "dim"), (0, 0, 0, 4)))

    def legend(self) -> None:
        self.heading("Legend")
        for provenance, meaning in LEGEND.items():
            self._print(self._text(f"{MARKS[provenance]:<3} {provenance}: {meaning}", "dim"))
        self.fine(UNITS_NOTE)

    def _cell(self, cell: Cell, column: str, intervals: bool) -> Text:
        if cell == INVALID:
            return self._text(cell, "bold red")
        if isinstance(cell, str):
            return self._text(
                MARKS[Provenance.NOT_MEASURED] if cell == Provenance.NOT_MEASURED else clean(cell)
            )
        value = bare_amount(cell) if column in TIMES and cell.unit is Unit.MILLISECONDS else amount(cell)
        return self._figure(cell, value, intervals or column == "p50", between="\n")

    def _figure(self, figure: Measurement, value: str, intervals: bool, between: str) -> Text:
        """Return value and marker; an estimate always shows its interval."""
        if not figure.known:
            return self._text(f"{MARKS[Provenance.NOT_MEASURED]} [{self._numbers.number(figure)}]", "dim")
        text = self._text(f"{value} ").append(MARKS[figure.provenance], style=_STYLES[figure.provenance])
        if figure.interval is not None and (intervals or figure.provenance is Provenance.ESTIMATED):
            text.append(f"{between}{interval(figure)}", style="dim")
        return text

    def _text(self, text: str, style: str = "") -> Text:
        from rich.text import Text

        return Text(text, style=style)

    def _print(self, what: object) -> None:
        self._console.print(what, width=self._width, highlight=False, markup=False, emoji=False)


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


def _columns_apart(table: Table, most: int) -> Iterator[Table]:
    """Yield the table in pieces of at most ``most`` columns; the first two columns repeat in each."""
    fixed, free = table.columns[:2], table.columns[2:]
    for start in range(0, max(len(free), 1), most - len(fixed)):
        part = slice(start + len(fixed), start + most)
        rows = tuple((name, (*cells[: len(fixed)], *cells[part])) for name, cells in table.rows)
        yield Table(table.corner, (*fixed, *table.columns[part]), rows)
