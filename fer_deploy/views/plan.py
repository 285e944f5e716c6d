"""A plan of test images as it stands in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fer_deploy.gate.plan import PowerPlan
from fer_deploy.measure.statistics import MOST_IMAGES
from fer_deploy.report.wording import clean


def print_plan(plan: PowerPlan, console: Console) -> None:
    """Print how many images each limit needs, a column for each share of changed answers."""
    console.print(
        Text(
            f"Images that each limit needs to pass an artifact as good as the float model with a chance of "
            f"{100 * plan.chance:g} %, by the share of answers that change; {plan.classes} classes."
        )
    )
    shares = [f"{100 * share:.3g} %" for share in plan.changed]
    if plan.seen is not None:
        shares[-1] += " (as in the report)"
    have = ("there are",) if plan.there_are else ()
    table = Table("limit", "of", *shares, *have)
    for one in plan.limits:
        cells = (f"{count:,}" if count is not None else "–" for count in one.images)
        there = (f"{plan.there_are[one.counts]:,}",) if plan.there_are else ()
        table.add_row(*(Text(clean(cell)) for cell in (one.line, one.counts, *cells, *there)))
    console.print(table)
    if any(count is None for one in plan.limits for count in one.images):
        console.print(Text(f"–: no number of images up to {MOST_IMAGES:,} does."))
    for line in plan.not_planned:
        console.print(Text(clean(f"{line} is not about numbers of images alone: not planned")))
