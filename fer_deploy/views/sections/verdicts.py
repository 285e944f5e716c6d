"""The verdicts of a check, and the changes against a reference: in words, as tables and as a section."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fer_deploy.gate.verdicts import Change, Check, Outcome, Verdict
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.report.wording import amount, describe
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
    Text,
    View,
)
from fer_deploy.views.tables import Cell, Table

#: Worst first: what is read is the top.
_ORDER = (Outcome.FAIL, Outcome.NOT_MEASURED, Outcome.PASS)
MARKS = {Outcome.PASS: "✔", Outcome.FAIL: "✘", Outcome.NOT_MEASURED: "?"}
WAIVED = "waived"
#: Figures that the sentence on a device names.
_NAMED = 3
_LOOKS = {Outcome.PASS: Look.GOOD, Outcome.FAIL: Look.BAD, Outcome.NOT_MEASURED: Look.DOUBTFUL}


def outcome_text(verdict: Verdict) -> str:
    """Return the outcome with its mark, and until when it is waived."""
    text = f"{MARKS[verdict.outcome]} {verdict.outcome}"
    return text if verdict.waived is None else f"{text}, {WAIVED} until {verdict.waived.until}"


def outcome_look(text: str) -> Look:
    """Return how an outcome stands out, by its text: what is waived keeps the look of its mark."""
    outcome = next(
        (outcome for outcome, mark in MARKS.items() if text.startswith(mark)), Outcome.NOT_MEASURED
    )
    return _LOOKS[outcome]


def message(verdict: Verdict) -> str:
    """Return what the verdict says, with the waiver's reason."""
    return (
        verdict.message if verdict.waived is None else f"{verdict.message} (waiver: {verdict.waived.reason})"
    )


def can_it_ship(report: Report, check: Check | None) -> Iterator[Text]:
    """Yield one sentence for each device of a report, or that nothing has judged it yet."""
    if check is None:
        yield ("Not judged yet: `fer-deploy check` holds this report to the budget.",)
        return
    for device in report.devices:
        red = [
            one
            for one in check.verdicts
            if one.device in (None, device.name) and one.outcome is not Outcome.PASS and one.waived is None
        ]
        failed = [one for one in red if one.outcome is Outcome.FAIL]
        if not red:
            answer, look = "yes: every limit is shown to hold", Look.GOOD
        elif failed:
            answer, look = f"no: {_first_of(failed)}", Look.BAD
        else:
            answer, look = f"cannot be said: not measured is {_first_of(red)}", Look.DOUBTFUL
        yield (Span(device.market_name, Look.STRONG), ": ", Span(answer, look))


def _first_of(verdicts: list[Verdict]) -> str:
    """Return what the first verdicts are about, and how many more there are."""
    about = list(dict.fromkeys(one.figure for one in verdicts))
    named = ", ".join(about[:_NAMED])
    return f"{named} and {len(about) - _NAMED} more" if len(about) > _NAMED else named


def verdict_table(
    check: Check, devices: bool | None = None, device: str | None = None, green: bool | None = None
) -> Table:
    """Return the verdicts, the worst first.

    Args:
        check: the check.
        devices: True for those on devices only, False for those that hold everywhere, None for all.
        device: one device's only.
        green: True for what passes only, False for the rest, None for both.
    """
    chosen = [
        one
        for one in check.verdicts
        if (devices is None or (one.device is not None) == devices)
        and (device is None or one.device == device)
        and (green is None or (one.outcome is Outcome.PASS) == green)
    ]
    chosen.sort(key=lambda one: (not one.counts, _ORDER.index(one.outcome)))
    rows: list[tuple[str, tuple[Cell, ...]]] = []
    for one in chosen:
        where = one.subject if device is not None else _where(one)
        rows.append((one.figure, (where, outcome_text(one), one.limit or "–", message(one))))
    return Table("figure", ("of", "verdict", "limit", "because"), tuple(rows))


@dataclass(frozen=True)
class VerdictGroup:
    """Verdicts that say the same of several subjects."""

    outcome: str
    figure: str
    limit: str | None
    subjects: tuple[str, ...]
    message: str


def verdict_groups(check: Check) -> tuple[VerdictGroup, ...]:
    """Return everything that is not green, the worst first, and what is waived last."""
    groups: dict[tuple[str, str, str | None, str], list[str]] = {}
    chosen = [one for one in check.verdicts if one.outcome is not Outcome.PASS]
    for one in sorted(chosen, key=lambda one: (not one.counts, _ORDER.index(one.outcome))):
        key = (outcome_text(one), one.figure, one.limit, message(one))
        groups.setdefault(key, []).append(_where(one))
    return tuple(
        VerdictGroup(outcome, figure, limit, tuple(subjects), said)
        for (outcome, figure, limit, said), subjects in groups.items()
    )


def passes(check: Check) -> dict[str, tuple[str, ...]]:
    """Return what passes: figure and limit, and for each subject what was found."""
    found: dict[str, tuple[str, ...]] = {}
    for one in check.of(Outcome.PASS):
        name = one.figure if one.limit is None else f"{one.figure}, {one.limit}"
        value = "" if one.value is None else f" {amount(one.value)}"
        found[name] = (*found.get(name, ()), f"{_where(one)}{value}")
    return found


def where(change: Change) -> str:
    """Return figure, subject and device of a change in one line."""
    return f"{change.figure} of {change.subject}" + (f" on {change.device}" if change.device else "")


def _where(verdict: Verdict) -> str:
    return f"{verdict.subject} on {verdict.device}" if verdict.device else verdict.subject


def change_table(check: Check) -> Table:
    """Return the regressions and improvements against the reference, regressions first."""
    ordered = sorted(check.changes, key=lambda one: one.kind, reverse=True)
    rows: list[tuple[str, tuple[Cell, ...]]] = [
        (
            one.figure,
            (
                f"{one.subject} on {one.device}" if one.device else one.subject,
                one.kind,
                one.before,
                one.after,
                one.message,
            ),
        )
        for one in ordered
    ]
    return Table("figure", ("of", "change", "before", "after", "because"), tuple(rows))


def row_class(outcome: str) -> str:
    """Return the CSS class of a row by the text of its verdict; a waived one has none."""
    if WAIVED in outcome:
        return "waived"
    return next((str(one).replace(" ", "-") for one in Outcome if outcome.endswith(str(one))), "")


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


def verdicts_alone(check: Check) -> Section:
    """Return the verdicts of a check as they stand on a page without its report, those on devices among them."""
    rest, green = (verdict_table(check, green=passed) for passed in (False, True))
    blocks: tuple[Block, ...] = (
        Banner(check.summary, check.outcome),
        *_tables(rest, green, "Verdicts"),
        *([Heading("Against the reference")] if check.changes else []),
        Grid(change_table(check), "Changes beyond noise", words=True),
        Items(tuple((note,) for note in check.notes), look=Look.DOUBTFUL),
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
