"""The verdicts of a check as Markdown: at the top of a report, and alone in a job summary."""

from __future__ import annotations

from collections.abc import Iterator

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.wording import describe
from fer_deploy.views.markdown_text import escape, row
from fer_deploy.views.tables import Table
from fer_deploy.views.verdict_tables import change_table, verdict_table


def verdict_section(check: Check) -> Iterator[str]:
    """Yield the lines of the verdicts: a heading, what they come to, and their tables."""
    yield f"## Verdicts: {escape(check.model)}"
    yield ""
    yield f"**{escape(check.summary)}**"
    for title, table in (("", verdict_table(check)), ("Against the reference", change_table(check))):
        if table.rows:
            yield from (["", f"### {title}"] if title else [])
            yield ""
            yield from _plain_table(table)
    if check.notes:
        yield ""
        yield from (f"- {escape(note)}" for note in check.notes)


def _plain_table(table: Table) -> Iterator[str]:
    yield row((table.corner, *table.columns))
    yield "|" + " --- |" * (len(table.columns) + 1)
    for name, cells in table.rows:
        yield row((name, *(describe(cell) if isinstance(cell, Measurement) else cell for cell in cells)))
