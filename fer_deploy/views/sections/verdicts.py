"""The verdicts of a check, and the changes against a reference."""

from __future__ import annotations

from collections.abc import Iterator

from fer_deploy.gate.verdicts import Change, Check, Outcome
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.report.wording import describe
from fer_deploy.views.blocks import (
    EVERYWHERE,
    FILES,
    Banner,
    Block,
    Entries,
    Folded,
    Grid,
    Heading,
    Items,
    ListEntry,
    Look,
    Say,
    Section,
    Span,
    View,
)
from fer_deploy.views.tables import Table
from fer_deploy.views.verdict_tables import (
    MARKS,
    VerdictGroup,
    change_table,
    outcome_look,
    passes,
    row_class,
    verdict_groups,
    verdict_table,
    where,
)

ANCHOR = "verdicts"


def verdicts(report: Report, check: Check | None) -> Section:
    """Return the verdicts of a check, or that there was none."""
    if check is not None:
        return verdict_section(check, report.devices)
    unchecked = (
        "No budget has judged these figures: ",
        Span("fer-deploy check", Look.CODE),
        " does, and puts its verdict here.",
    )
    return Section("Not checked", ANCHOR, (Say(unchecked, views=View.HTML),), look="verdicts")


def verdict_section(check: Check, devices: tuple[DeviceReport, ...] = ()) -> Section:
    """Return the verdicts, the changes and the notes of a check; a page sorts the verdicts by ``devices``.

    A terminal is read from its end, so there what all comes to is said last.
    """
    changes = change_table(check)
    about = (
        "Of report sha256 ",
        Span(check.report_sha256, Look.CODE),
        f", {check.created}. Limits are shown as they were set; a figure is held to the worse end of its interval.",
    )
    blocks: tuple[Block, ...] = (
        Banner(check.summary, check.outcome, views=FILES),
        _entries(check),
        Grid(verdict_table(check), "Verdicts", words=True, views=View.MARKDOWN),
        *_by_scope(check, devices),
        *([Heading("Against the reference")] if check.changes else []),
        change_entries(check.changes),
        Grid(changes, "Changes beyond noise", words=True, views=View.MARKDOWN),
        Grid(changes, "Changes beyond noise", views=View.HTML),
        Items(tuple((note,) for note in check.notes), look=Look.DOUBTFUL),
        Say(about, fine=True, views=View.HTML),
        Banner(check.summary, check.outcome, views=View.TERMINAL),
    )
    look = f"verdicts {check.outcome.replace(' ', '-')}"
    return Section(f"Verdicts on {check.model}", ANCHOR, blocks, look=look)


def change_entries(changes: tuple[Change, ...]) -> Entries:
    """Return changes as they stand in a terminal."""
    return Entries(tuple(map(_change, changes)), views=View.TERMINAL)


def _change(change: Change) -> ListEntry:
    look = Look.BAD if change.kind == "regression" else Look.GOOD
    said = f"{describe(change.before)} before, {describe(change.after)} now; {change.message}"
    return ListEntry((Span(f"{change.kind}: {where(change)}", look),), (Say((said,), fine=True),))


def _entries(check: Check) -> Entries:
    """Return the verdicts as they stand in a terminal: what is red comes last, where eyes are."""
    green = (
        ListEntry(
            (Span(f"{MARKS[Outcome.PASS]} {name}", Look.GOOD),), (Say(("; ".join(subjects),), fine=True),)
        )
        for name, subjects in passes(check).items()
    )
    return Entries((*green, *map(_group, reversed(verdict_groups(check)))), views=View.TERMINAL)


def _group(group: VerdictGroup) -> ListEntry:
    name = f"{group.figure}, {group.limit}" if group.limit else group.figure
    term = Span(f"{group.outcome}: {name}", outcome_look(group.outcome))
    return ListEntry((term,), (Say((", ".join(group.subjects),)), Say((group.message,), fine=True)))


def _by_scope(check: Check, devices: tuple[DeviceReport, ...]) -> Iterator[Block]:
    """Yield the verdicts as they stand on a page: those that hold everywhere, then those of each device."""
    rest, green = (verdict_table(check, devices=False, green=passed) for passed in (False, True))
    yield from _tables(rest, green, "Verdicts that hold on every device")
    for device in devices:
        rest, green = (verdict_table(check, device=device.name, green=passed) for passed in (False, True))
        if rest.rows or green.rows:
            yield Heading(f"On {device.market_name}", views=View.HTML)
            yield from _tables(rest, green, f"Verdicts on {device.market_name}")


def _tables(rest: Table, green: Table, caption: str) -> Iterator[Block]:
    """Yield what is not green in full, and what is green behind one line."""
    yield _coloured(rest, caption, View.HTML)
    if green.rows:
        inner = _coloured(green, f"{caption}: what passes", EVERYWHERE)
        yield Folded((f"{len(green.rows)} pass",), (inner,), open=not rest.rows, views=View.HTML)


def _coloured(table: Table, caption: str, views: View) -> Grid:
    looks = tuple(row_class(str(cells[1])) for _, cells in table.rows)
    return Grid(table, caption, look="cards words", row_looks=looks, words=True, views=views)
