"""What every view shows of a check: the same tables in terminal, Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass

from fer_deploy.gate.verdicts import Change, Check, Outcome, Verdict
from fer_deploy.report.wording import amount
from fer_deploy.views.blocks import Look
from fer_deploy.views.tables import Cell, Table

#: Worst first: what is read is the top.
_ORDER = (Outcome.FAIL, Outcome.NOT_MEASURED, Outcome.PASS)
MARKS = {Outcome.PASS: "✔", Outcome.FAIL: "✘", Outcome.NOT_MEASURED: "?"}
WAIVED = "waived"
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
