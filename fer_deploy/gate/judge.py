"""The gate: holds a report to its budget. What is missing, or not known well enough, never passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fer_deploy.gate.budget import Budget, Limits
from fer_deploy.gate.figures import FLOAT_MODEL, Expected, Judged
from fer_deploy.gate.holding import Held, held
from fer_deploy.gate.limit import DeviceLimit, Limit
from fer_deploy.gate.limits import FLIPPED_IMAGES
from fer_deploy.gate.verdicts import Outcome, Verdict
from fer_deploy.measure.measurement import Unit
from fer_deploy.report.schema import ArtifactReport, Report
from fer_deploy.report.wording import amount, interval


def verdicts(
    report: Report, budget: Budget, expected: Expected, profiles: Mapping[str, Limits]
) -> tuple[Verdict, ...]:
    """Return the verdict on everything that the budget limits, and on what any report must show.

    Args:
        report: the figures.
        budget: the limits.
        expected: artifacts and devices that must be in the report.
        profiles: by device name, the limits of the device's own profile.
    """
    return verdicts_of(report, budget, expected, held(report, budget, expected, profiles))


def verdicts_of(
    report: Report, budget: Budget, expected: Expected, found: Iterable[Held]
) -> tuple[Verdict, ...]:
    """Return :func:`verdicts` of figures whose lines were looked up already."""
    limited = (
        _verdict(report, budget, one.kind, one.line.value, one.figure)
        for one in found
        if one.line is not None and one.line.value is not None
    )
    return (*_basics(report, expected), *limited)


def _basics(report: Report, expected: Expected) -> Iterator[Verdict]:
    """Yield what holds whatever the budget: there are images, of every class, the model knows something."""
    yield _test_set(report)
    yield _better_than_guessing(report)
    present = {one.key for one in report.artifacts}
    failed = {one.key: one.reason for one in report.missing}
    for key in dict.fromkeys((*expected.artifacts, *failed)):
        if key not in present:
            message = (
                f"it was asked for and could not be made: {failed[key]}"
                if key in failed
                else "the configuration asks for it and the report does not hold it: it was skipped"
            )
            yield Verdict(figure="artifact", subject=key, outcome=Outcome.NOT_MEASURED, message=message)
    tested = {device.name for device in report.devices}
    for name in expected.devices:
        if name not in tested:
            message = "the configuration asks for it and the report does not hold it: it was skipped"
            yield Verdict(
                figure="device",
                subject="every artifact",
                device=name,
                outcome=Outcome.NOT_MEASURED,
                message=message,
            )


def _test_set(report: Report) -> Verdict:
    data = report.dataset
    empty = [label for label, count in data.per_class.items() if count == 0]
    present = len(data.per_class) - len(empty)
    if data.images == 0:
        outcome, message = Outcome.FAIL, f"{data.name} holds no image: nothing was tested"
    elif present < 2:
        only = next((label for label, count in data.per_class.items() if count), "one class")
        outcome = Outcome.FAIL
        message = f"{data.name} holds images of {only} only: a model that always says so would be perfect"
    elif empty:
        outcome = Outcome.NOT_MEASURED
        message = (
            f"{data.name} holds no image of {', '.join(empty)}: whether they are recognised is not known"
        )
    else:
        outcome, message = Outcome.PASS, f"{data.name}: {data.images:,} images, every class among them"
    if data.account is not None:
        message += f". {data.account.sentence}"
    return Verdict(figure="test set", subject=FLOAT_MODEL, outcome=outcome, message=message)


def _better_than_guessing(report: Report) -> Verdict:
    """Judge the float model: one that knows nothing loses nothing either, and would pass every other limit."""
    figure, counts = report.float_accuracy.accuracy, report.dataset.per_class
    if figure.value is None or figure.interval is None or not report.dataset.images or not counts:
        outcome, message = Outcome.NOT_MEASURED, figure.reason or "the report has no interval of the accuracy"
    else:
        label = max(counts, key=lambda name: (counts[name], name))
        share = counts[label] / report.dataset.images
        good = figure.interval.low > share
        outcome = Outcome.PASS if good else Outcome.FAIL
        than = f"always answering {label} gives {100 * share:.1f} %"
        message = f"{amount(figure)} {interval(figure)}; {than}"
        if not good:
            message += f": the model knows little or nothing of these images{_because(report.diagnosis)}"
    return Verdict(
        figure="better than guessing", subject=FLOAT_MODEL, outcome=outcome, value=figure, message=message
    )


def _verdict(report: Report, budget: Budget, kind: Limit, limit: float, one: Judged) -> Verdict:
    outcome, message = _judge(report, budget, kind, limit, one)
    artifact = _artifact(report, one.artifact)
    if outcome is Outcome.FAIL and kind.diagnosed:
        message += _because(artifact.diagnosis if artifact else report.diagnosis)
    return Verdict(
        figure=kind.figure,
        subject=one.subject,
        device=one.device,
        outcome=outcome,
        limit=kind.describe(limit),
        value=one.figure,
        message=message,
    )


def _judge(report: Report, budget: Budget, kind: Limit, limit: float, one: Judged) -> tuple[Outcome, str]:
    figure = one.figure
    if figure.value is None:
        return Outcome.NOT_MEASURED, figure.reason or "no reason given"
    if not budget.accepts(figure.provenance):
        return (
            Outcome.NOT_MEASURED,
            f"{amount(figure)} is {figure.provenance}, and the budget accepts {', '.join(budget.accept)} figures only; "
            f'accept = ["{figure.provenance}"] in [budget] or --accept {figure.provenance} lets it pass',
        )
    if one.invalid:
        return Outcome.NOT_MEASURED, f"the timing is INVALID: {'; '.join(one.invalid)}"
    if figure.interval is None and kind.unit is Unit.MILLISECONDS:
        return Outcome.NOT_MEASURED, f"{amount(figure)} comes from too few runs for an interval"
    said = f"{amount(figure)} {interval(figure)}".rstrip()
    if not kind.holds(figure.value, limit):
        return Outcome.FAIL, f"{said} is not {kind.describe(limit)}"
    bound = figure.interval
    if bound is None or kind.by_value or kind.holds(bound.low if kind.least else bound.high, limit):
        return Outcome.PASS, said
    why = _too_little(report, kind, limit, figure.value, one.artifact)
    return Outcome.FAIL, f"{said} is {kind.describe(limit)}, but {why}"


def _too_little(report: Report, kind: Limit, limit: float, value: float, artifact: str | None) -> str:
    """Return why a figure within its limit does not show that it is: too few images or samples."""
    if isinstance(kind, DeviceLimit):
        return "its interval reaches beyond: time more runs on a quiet device"
    images, needed = report.dataset.images, None
    if kind.needed is not None:
        one = _artifact(report, artifact)
        needed = kind.needed(value, images, kind.goal(limit), one.parity if one else None)
        if needed is None and kind.at(value, limit):
            flips = "" if kind.least else f"; to allow so many flips and no more, use {FLIPPED_IMAGES.option}"
            return f"an interval's end is judged, and no number of images brings it to just the limit{flips}"
    more = f": about {needed:,} like these would" if needed else ""
    return f"{images:,} test images are too few to show it{more}"


def _artifact(report: Report, key: str | None) -> ArtifactReport | None:
    return next((one for one in report.artifacts if one.key == key), None)


def _because(diagnosis: str | None) -> str:
    return f". Cause: {diagnosis}" if diagnosis else ""
