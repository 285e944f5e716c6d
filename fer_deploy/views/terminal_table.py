"""Figures and tables as a terminal shows them: narrow, with marks, and with numbers in place of reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fer_deploy.measure.measurement import Measurement, Provenance, Unit
from fer_deploy.report.wording import MARKS, amount, bare_amount, clean, describe, interval
from fer_deploy.views.blocks import Document
from fer_deploy.views.device_tables import TIMES
from fer_deploy.views.tables import INVALID, Cell, Table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

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
