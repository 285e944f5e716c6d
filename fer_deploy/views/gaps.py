"""What a report does not hold: every reason for a figure that is missing, with the places it is missing from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.report.wording import Footnotes, clean
from fer_deploy.views.device_tables import TIMES, device_table
from fer_deploy.views.layer_tables import missing_noise, missing_times
from fer_deploy.views.tables import (
    accuracy_table,
    artifact_table,
    between_table,
    parity_table,
)

_RUNTIME = (*TIMES, "peak memory")
_RUNTIME_TOGETHER = ("every time and peak memory",)


@dataclass(frozen=True)
class Gap:
    """One reason, its footnote number, and what is missing for it: (whose, which figures)."""

    number: int
    reason: str
    missing: tuple[tuple[str, tuple[str, ...]], ...]


def gaps(whole: Report | DeviceReport) -> tuple[Gap, ...]:
    """Return every reason of a report once, in the order of the tables, with what is missing for it."""
    numbers = Footnotes()
    places: dict[int, dict[str, list[str]]] = {}
    for owner, name, figure in _figures(whole):
        if not figure.known:
            names = places.setdefault(numbers.number(figure), {}).setdefault(owner, [])
            if name not in names:
                names.append(name)
    return tuple(
        Gap(number, reason, tuple((owner, tuple(names)) for owner, names in places[number].items()))
        for number, reason in numbers
    )


def footnotes(whole: Report | DeviceReport) -> Footnotes:
    """Return the numbering of :func:`gaps`, for markers in tables and sentences."""
    numbers = Footnotes()
    for _, _, figure in _figures(whole):
        if not figure.known:
            numbers.number(figure)
    return numbers


def place(gap: Gap) -> str:
    """Return where a gap is, in one line of plain text: who lacks the same figures is named together."""
    owners: dict[tuple[str, ...], list[str]] = {}
    for owner, names in gap.missing:
        owners.setdefault(_RUNTIME_TOGETHER if set(_RUNTIME) <= set(names) else names, []).append(owner)
    return "; ".join(
        f"{', '.join(map(clean, who))}: {', '.join(map(clean, names))}" for names, who in owners.items()
    )


def _figures(whole: Report | DeviceReport) -> Iterator[tuple[str, str, Measurement]]:
    """Yield whose it is, its name and the figure, for every figure."""
    if isinstance(whole, DeviceReport):
        for row, column, figure in device_table(whole).figures():
            yield f"{row} on {whole.market_name}", column, figure
        yield from missing_times(whole)
        return
    report = whole
    yield report.model.name, "parameters", report.model.parameters
    yield report.model.name, "multiply-accumulates", report.model.macs
    for table in (
        artifact_table(report),
        accuracy_table(report),
        parity_table(report),
        between_table(report),
    ):
        yield from table.figures()
    models = [("float model", report.float_accuracy), *((one.key, one.accuracy) for one in report.artifacts)]
    for key, accuracy in models:
        for one in accuracy.classes:
            yield key, f"recall of {one.label}" if accuracy.accuracy.known else "recall", one.recall
    yield from missing_noise(report)
    for device in report.devices:
        yield from _figures(device)
