"""Which line of a budget holds for which figure, and whether every line of it is about a figure at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from fer_deploy.gate.budget import ARTIFACTS_TABLE, DEVICES_TABLE, PROFILE_TABLE, Budget, Limits, Line
from fer_deploy.gate.figures import Expected, Judged, judged
from fer_deploy.gate.limit import DeviceLimit, Limit, PairLimit
from fer_deploy.gate.limits import LIMITS
from fer_deploy.gate.verdicts import BudgetAccount
from fer_deploy.names import nearest
from fer_deploy.report.schema import Report


@dataclass(frozen=True)
class Held:
    """A figure, the limit that it is about, and the lines of the budget on it.

    Attributes:
        kind: the limit.
        figure: what is held to it.
        line: the line that holds, or None where no line covers the figure.
        covering: every line that covers it, the one that holds among them.
    """

    kind: Limit
    figure: Judged
    line: Line | None
    covering: tuple[Line, ...]


def held(
    report: Report, budget: Budget, expected: Expected, profiles: Mapping[str, Limits]
) -> tuple[Held, ...]:
    """Return every figure that a limit may be about, with the line that holds for it.

    A figure that is the same on every device, such as size, stands once without a device, and once more on each
    device of which a line or the profile says something of its own.
    """
    found: list[Held] = []
    for kind in LIMITS.values():
        for one in judged(report, kind, expected):
            names = expected.names(one.device)
            found.append(_held(budget, kind, one, names, profiles.get(one.device or "")))
            if one.device is None and one.artifact is not None:
                found += _on_devices(report, budget, found[-1], expected, profiles)
    return tuple(found)


def accounts(budget: Budget, found: Iterable[Held]) -> tuple[BudgetAccount, ...]:
    """Return for each line of the budget how many figures it is about, and for how many of them it holds."""
    covers, holds = _counts(found)
    return tuple(
        BudgetAccount(line=line.name, figures=covers[line], holds=holds[line])
        for line in dict.fromkeys(budget.lines())
    )


def idle_lines(report: Report, budget: Budget, expected: Expected, found: Iterable[Held]) -> tuple[str, ...]:
    """Return a sentence for each table and line of the budget that is about no figure, with the nearest name."""
    strays = [
        *_strays(budget.artifacts, ARTIFACTS_TABLE, "artifact", expected.keys(report)),
        *_strays(budget.devices, DEVICES_TABLE, "device", expected.every_name(report)),
    ]
    covers, _ = _counts(found)
    named = {table for table, _ in strays}
    idle = [line for line in budget.lines() if not covers[line] and line.table not in named]
    return (*(said for _, said in strays), *(f"{line.name} judges nothing: {_why(line)}" for line in idle))


def shadowed_lines(budget: Budget, found: Iterable[Held]) -> tuple[str, ...]:
    """Return a note for each line that is about figures and holds for none, since nearer ones do."""
    covers, holds = _counts(found)
    return tuple(
        f"{line.name} holds nowhere: a nearer line does for each of its {covers[line]} figures"
        for line in budget.lines()
        if covers[line] and not holds[line]
    )


def _held(budget: Budget, kind: Limit, one: Judged, names: tuple[str, ...], profile: Limits | None) -> Held:
    levels = budget.covering(kind, one.artifact, names, profile)
    line = _strictest(kind, levels[0]) if levels else None
    return Held(kind, one, line, tuple(line for level in levels for line in level))


def _on_devices(
    report: Report, budget: Budget, general: Held, expected: Expected, profiles: Mapping[str, Limits]
) -> Iterator[Held]:
    """Yield a figure without a device on each device that has its own limit on it."""
    one = general.figure
    assert one.artifact is not None
    for device in expected.device_names(report):
        if not expected.runs(device, one.artifact):
            continue
        there = Judged(one.subject, one.artifact, device, one.figure, one.invalid)
        here = _held(budget, general.kind, there, expected.names(device), profiles.get(device))
        own = tuple(line for line in here.covering if line not in general.covering)
        if here.line in own:
            yield here
        else:
            # a nearer line holds, and judges the figure without a device; these are accounted for all the same
            yield Held(general.kind, there, None, tuple(line for line in own if line.table != PROFILE_TABLE))


def _strictest(kind: Limit, lines: tuple[Line, ...]) -> Line:
    """Return the line with the strictest number; one that lifts the limit is the loosest of all."""
    numbers = [line for line in lines if line.value is not None]
    choose = max if kind.least else min
    return choose(numbers, key=lambda line: line.value or 0.0) if numbers else lines[0]


def _counts(found: Iterable[Held]) -> tuple[Counter[Line], Counter[Line]]:
    """Return per line the figures that it covers, and those for which it, or one of the same number, holds."""
    covers: Counter[Line] = Counter()
    holds: Counter[Line] = Counter()
    for one in found:
        covers.update(set(one.covering))
        if one.line is not None:
            holds.update({line for line in one.covering if _alike(line, one.line)})
    return covers, holds


def _alike(line: Line, other: Line) -> bool:
    """Return whether two lines of one kind of table say the same."""
    kind, _, _ = line.table.partition('"')
    return kind == other.table.partition('"')[0] and line.value == other.value


def _strays(
    tables: Iterable[str], title: str, what: str, known: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Yield table and sentence of each name or pattern that matches nothing."""
    for pattern in tables:
        if not any(fnmatchcase(name, pattern) for name in known):
            table = title.format(pattern)
            yield (
                table,
                f"{table} is about no {what} of the report or the configuration{nearest(pattern, known)}",
            )


def _why(line: Line) -> str:
    kind = LIMITS[line.key]
    if isinstance(kind, PairLimit):
        general = line.table.startswith("[budget]")
        return (
            "no two artifacts are of one recipe; leave it out or add a target"
            if general
            else "it is about pairs of targets, so it belongs into [budget]"
        )
    if isinstance(kind, DeviceLimit):
        return (
            "no device runs an artifact that it is about; leave it out or add the device to [profile] devices"
        )
    return "no artifact that it is about runs there; leave it out"
