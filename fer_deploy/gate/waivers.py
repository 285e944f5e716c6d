"""What waivers excuse, and which of them excuse nothing or name what there is not."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from fnmatch import fnmatchcase

from fer_deploy.gate.budget import Waiver
from fer_deploy.gate.changes import AGAINST_REFERENCE, FIGURES
from fer_deploy.gate.figures import FLOAT_MODEL, Expected
from fer_deploy.gate.limits import LIMITS
from fer_deploy.gate.verdicts import ALWAYS_JUDGED, NEVER_WAIVED, Outcome, Verdict, Waived
from fer_deploy.names import nearest
from fer_deploy.report.schema import Report


def apply_waivers(
    found: tuple[Verdict, ...],
    waivers: tuple[Waiver, ...],
    today: datetime.date,
    expected: Expected | None = None,
) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    """Return the verdicts with those marked that a waiver excuses, and notes on waivers that do nothing.

    ``expected`` tells which names a device answers to. Of several waivers for one verdict the longest is shown.
    """
    names = (expected or Expected()).names
    notes = []
    result = list(found)
    for waiver in sorted(waivers, key=lambda one: (one.until, one.label, one.reason)):
        covered = [
            index
            for index, one in enumerate(result)
            if one.outcome is not Outcome.PASS and waiver.covers(one.figure, one.subject, names(one.device))
        ]
        if not covered:
            notes.append(f"{waiver.label} excuses nothing: remove it")
        elif today > waiver.until:
            notes.append(f"{waiver.label} has ended: {waiver.reason}")
        else:
            for index in covered:
                if result[index].figure in NEVER_WAIVED:
                    notes.append(f"{waiver.label} does not hold: {result[index].figure} cannot be waived")
                else:
                    excuse = Waived(until=waiver.until, reason=waiver.reason)
                    result[index] = result[index].model_copy(update={"waived": excuse})
    return tuple(result), tuple(dict.fromkeys(notes))


def stray_waivers(
    report: Report, waivers: Iterable[Waiver], expected: Expected, found: Iterable[Verdict]
) -> tuple[str, ...]:
    """Return a sentence for each waiver that names a figure, an artifact or a device that there is not."""
    verdicts = tuple(found)
    recalls = tuple(f"recall of {label}" for label in report.dataset.per_class)
    figures = (
        *(one.figure for one in verdicts),
        *ALWAYS_JUDGED,
        *(kind.figure for kind in LIMITS.values()),
        *(AGAINST_REFERENCE.format(name) for name in (*FIGURES, *recalls)),
    )
    subjects = (FLOAT_MODEL, *(one.subject for one in verdicts), *expected.keys(report))
    sentences = []
    for waiver in waivers:
        for what, pattern, known in (
            ("figure", waiver.figure, figures),
            ("artifact", waiver.artifact, subjects),
            ("device", waiver.device, expected.every_name(report)),
        ):
            if pattern != "*" and not any(fnmatchcase(name, pattern) for name in known):
                sentences.append(f"{waiver.label} names no {what} of this check{nearest(pattern, known)}")
    return tuple(sentences)
