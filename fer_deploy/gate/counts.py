"""A report proves itself: every figure is counted again from the answers beside it, and a contradiction is red."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fer_deploy.frozen import Unknown
from fer_deploy.gate.figures import FLOAT_MODEL
from fer_deploy.gate.verdicts import COUNTS, Outcome, Verdict
from fer_deploy.measure.corrupted_counts import counted_again
from fer_deploy.measure.counted import Classes, Truth, counted_accuracy, counted_parity, proportion
from fer_deploy.measure.figures import (
    MAX_RAW_SAMPLES,
    AccuracyFigures,
    ClassFigures,
    CorruptedFigures,
    ParityFigures,
    RuntimeFigures,
)
from fer_deploy.measure.measurement import Measurement, Provenance
from fer_deploy.measure.statistics import Reliability, expected_calibration_error, quantile_interval
from fer_deploy.report.schema import ArtifactReport, Report
from fer_deploy.report.wording import amount, interval

#: Two ways to add the same numbers differ by less, relatively.
_ROUNDING = 1e-9


def counts(report: Report) -> tuple[Verdict, ...]:
    """Return a verdict on the float model's figures and on those of each artifact, here and on each device."""
    images = report.dataset.images
    if images <= 0 or not report.model.contract.labels:
        return (
            _verdict(FLOAT_MODEL, None, [f"the report is of {images:,} images: nothing was tested"], images),
        )
    try:
        truth = report.images.truth(report.model.contract.labels, images)
        reference = report.images.answers(None, truth.labels, images)
    except ValueError as error:
        problem = f"the answers to the {images:,} test images cannot be counted: {error}"
        return (_verdict(FLOAT_MODEL, None, [problem], images),)
    own = [*_whole(report, truth), *_accuracy(report.float_accuracy, reference, truth)]
    own += _corrupted(report.float_corrupted, truth)
    found = [_verdict(FLOAT_MODEL, None, own, images)]
    found += [
        _verdict(one.key, None, _artifact(report, one, reference, truth), images) for one in report.artifacts
    ]
    for device in report.devices:
        for timed in device.figures:
            if problems := list(_times(timed)):
                found.append(_verdict(timed.artifact, device.name, problems, images))
    return tuple(found)


def contradictions(report: Report) -> tuple[str, ...]:
    """Return what in a report contradicts its counts, a sentence each."""
    return tuple(f"{one.name}: {one.message}" for one in counts(report) if one.outcome is not Outcome.PASS)


def _verdict(subject: str, device: str | None, problems: Iterable[str], images: int) -> Verdict:
    said = "; ".join(problems)
    return Verdict(
        figure=COUNTS,
        subject=subject,
        device=device,
        outcome=Outcome.FAIL if said else Outcome.PASS,
        message=f"{said}; run again"
        if said
        else f"every figure follows from the answers to {images:,} images",
    )


def _whole(report: Report, truth: Truth) -> Iterator[str]:
    """Yield what is wrong with the test set's figures, with names, and with pairs of targets."""
    per_class = dict(zip(truth.labels, np.bincount(truth.targets, minlength=len(truth.labels)), strict=True))
    if report.dataset.per_class != per_class:
        yield f"the images per class are {report.dataset.per_class}, and their labels give {per_class}"
    yield from _account(report, truth)
    for device in report.devices:
        twice = Counter(timed.artifact for timed in device.figures)
        yield from (
            f"{key} is timed {count} times on {device.name}" for key, count in twice.items() if count > 1
        )
    names = Counter([one.key for one in report.artifacts] + [f"device {one.name}" for one in report.devices])
    yield from (f"{name} stands in the report {count} times" for name, count in names.items() if count > 1)
    for pair in report.between_targets:
        keys = (f"{pair.first}-{pair.recipe}", f"{pair.second}-{pair.recipe}")
        try:
            first, second = (report.images.answers(key, truth.labels, len(truth.targets)) for key in keys)
        except (KeyError, ValueError):
            yield f"the report compares {' and '.join(keys)} and does not hold the answers of both"
            continue
        yield from _differ(
            f"the agreement of {keys[0]} and {keys[1]}", pair.agreement, proportion(first == second)
        )


def _account(report: Report, truth: Truth) -> Iterator[str]:
    """Yield what the account of the test set says otherwise than the images' flags do."""
    marked = int(truth.leaked.sum())
    unknown = truth.training_unknown is not None
    said = report.dataset.leaked
    if unknown and marked:
        yield f"{marked:,} images are marked as in training too, and which are is said not to be known"
    if said != (None if unknown else marked):
        told = "not known" if said is None else f"{said:,}"
        yield f"the images in training too are {told}, and {'none can be' if unknown else f'{marked:,} are'} marked"
    account = report.dataset.account
    if account is None:
        return
    if account.images != report.dataset.images:
        yield f"{account.images:,} images were read by the account, and the report is of {report.dataset.images:,}"
    if (None if isinstance(account.in_training, Unknown) else account.in_training) != said:
        yield "the account and the test set disagree on the images in training too"
    if not 0 <= account.repeated < max(1, account.images) or not 0 <= account.two_labels <= account.images:
        yield "the account counts more images twice than there are"


def _artifact(report: Report, one: ArtifactReport, reference: Classes, truth: Truth) -> Iterator[str]:
    figures = (
        *(one.accuracy.accuracy, one.accuracy.balanced_accuracy, one.parity.agreement, one.parity.drop),
        *(one.parity.worst_class_drop, *(row.recall for row in one.accuracy.classes)),
    )
    kinds = {figure.provenance.value for figure in (*figures, one.accuracy.ece) if figure.known}
    if len(kinds) > 1:
        yield f"its figures are called {' and '.join(sorted(kinds))}, and all come from one run of it"
    if one.key not in report.images.artifacts and not any(figure.known for figure in figures):
        return
    try:
        answers = report.images.answers(one.key, truth.labels, len(truth.targets))
    except KeyError:
        yield "the report does not hold its answers"
        return
    except ValueError as error:
        yield f"its answers cannot be counted: {error}"
        return
    yield from _accuracy(one.accuracy, answers, truth)
    yield from _corrupted(one.corrupted, truth)
    yield from _on_npus(one, truth)
    yield from _parity(one.parity, counted_parity(reference, answers, truth))


def _accuracy(figures: AccuracyFigures, answers: Classes, truth: Truth) -> Iterator[str]:
    counted = counted_accuracy(answers, truth)
    for name in ("accuracy", "accuracy_without_leaked", "accuracy_where_agreed", "balanced_accuracy"):
        yield from _differ(name.replace("_", " "), getattr(figures, name), counted[name])
    classes: tuple[ClassFigures, ...] = counted["classes"]
    if [(one.label, one.images) for one in figures.classes] != [(one.label, one.images) for one in classes]:
        yield "the classes and their numbers of images are not those of the labels"
    else:
        for ours, theirs in zip(figures.classes, classes, strict=True):
            yield from _differ(f"the recall of {ours.label}", ours.recall, theirs.recall)
    for name in ("confusion", "correct"):
        if getattr(figures, name) != counted[name]:
            yield f"'{name}' is not what the answers give"
    if truth.drawn:
        if figures.ece.known or figures.reliability:
            yield "a calibration error is given for drawn faces"
        return
    bins = figures.reliability
    right = sum(one.images * one.accuracy for one in bins)
    if sum(one.images for one in bins) != len(answers) or not _close(
        right, int((answers == truth.targets).sum())
    ):
        yield "the bins of the calibration curve hold other images than were answered"
    elif figures.ece.value is None or not _close(
        figures.ece.value, expected_calibration_error(tuple(Reliability(**dict(one)) for one in bins))
    ):
        yield f"the calibration error is {amount(figures.ece)}, and its bins give another"


def _corrupted(figures: CorruptedFigures | None, truth: Truth) -> Iterator[str]:
    """Yield what figures under corruption say otherwise than the flags of their pictures."""
    if figures is None:
        return
    try:
        again = counted_again(figures)
    except ValueError as error:
        yield f"the answers under corruption cannot be counted: {error}"
        return
    if (figures.right is None) != truth.drawn:
        yield "which answers under corruption are right is " + (
            "told of drawn faces" if truth.drawn else "missing"
        )
    if figures.images > len(truth.targets):
        yield f"{figures.images:,} images are corrupted, and the test set has {len(truth.targets):,}"
    of = "flags of the pictures"
    for name in ("clean", "accuracy", "held_out", "agreement"):
        said = f"{name.replace('_', ' ')} under corruption"
        yield from _differ(said, getattr(figures, name), getattr(again, name), of)
    for ours, theirs in zip(figures.kinds, again.kinds, strict=True):
        yield from _differ(f"accuracy under {ours.kind}", ours.accuracy, theirs.accuracy, of)
        yield from _differ(f"agreement under {ours.kind}", ours.agreement, theirs.agreement, of)
        if len(ours.accuracies) != len(theirs.accuracies):
            yield f"{ours.kind} has {len(ours.accuracies)} accuracies for {len(theirs.accuracies)} severities"
            continue
        for severity, (one, other) in enumerate(zip(ours.accuracies, theirs.accuracies, strict=True), 1):
            yield from _differ(f"accuracy under {ours.kind} at severity {severity}", one, other, of)


def _on_npus(one: ArtifactReport, truth: Truth) -> Iterator[str]:
    """Yield what figures on NPUs say otherwise than their flips do."""
    for figures in one.npu:
        images = len(truth.targets)
        if figures.of != images or len(figures.flips) > figures.images or figures.images > images:
            yield f"{figures.images:,} of {figures.of:,} images are said to be run on {figures.npu}, of {images:,}"
        elif figures.agreement.known:
            flipped = np.arange(images) < len(figures.flips)
            name = f"the agreement on {figures.npu}"
            yield from _differ(name, figures.agreement, proportion(~flipped), "flips")


def _parity(figures: ParityFigures, counted: dict[str, Any]) -> Iterator[str]:
    for name in ("drop", "agreement", "worst_class_drop", "smallest_drop"):
        yield from _differ(name.replace("_", " "), getattr(figures, name), counted[name])
    for name in ("lost", "gained", "worst_class"):
        if getattr(figures, name) != counted[name]:
            yield f"'{name}' is {getattr(figures, name)}, and the answers give {counted[name]}"
    told, again = figures.mcnemar_p, counted["mcnemar_p"]
    if (told is None) != (again is None) or (told is not None and not _close(told, again)):
        yield "McNemar's p is not what the answers give"
    ours, theirs = (
        [(flip.label, flip.reference, flip.artifact) for flip in flips]
        for flips in (figures.flips, counted["flips"])
    )
    if ours != theirs:
        yield f"{len(ours):,} flips are listed, and the answers give {len(theirs):,}, or others"


def _times(figures: RuntimeFigures) -> Iterator[str]:
    """Yield percentiles that are not those of the raw samples, where all of them are in the report."""
    samples = np.array(figures.latency_p50.samples)
    verdict = figures.latency_p50.conditions.get("verdict", "")
    if verdict.startswith("INVALID") != bool(figures.invalid) and figures.latency_p50.known and verdict:
        yield f"the timing is called {'INVALID' if figures.invalid else 'valid'}, and its conditions say '{verdict}'"
    runs = figures.latency_p50.conditions.get("runs")
    if len(samples) == 0:
        return
    if runs != str(len(samples)):
        if len(samples) < MAX_RAW_SAMPLES:
            yield f"{len(samples):,} samples are kept of {runs} runs"
        return
    for name, quantile in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        figure: Measurement = getattr(figures, f"latency_{name}")
        counted = figure.model_copy(
            update={
                "value": float(np.quantile(samples, quantile)),
                "interval": quantile_interval(samples, quantile),
            }
        )
        yield from _differ(f"{name} latency", figure, counted, "samples")


def _differ(
    name: str, figure: Measurement | None, counted: Measurement | None, of: str = "answers"
) -> Iterator[str]:
    """Yield how a figure contradicts what was counted again."""
    if figure is None or counted is None:
        if figure is not counted:
            yield f"{name} is {'missing' if figure is None else 'there'}, and the {of} say otherwise"
        return
    ends = [
        (one.interval.low, one.interval.high) if one.interval is not None else () for one in (figure, counted)
    ]
    same = figure.known == counted.known and all(map(_close, *ends)) and len(ends[0]) == len(ends[1])
    if not same or (figure.value is not None and not _close(figure.value, counted.value or 0.0)):
        told = [f"{amount(one)} {interval(one)}".rstrip() for one in (figure, counted)]
        yield f"{name} is {told[0]}, and the {of} give {told[1]}"
    if figure.provenance is Provenance.MEASURED and "emulation" in figure.conditions:
        yield f"{name} is called measured, and was emulated: {figure.conditions['emulation']}"


def _close(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
