"""Two reports against each other: what got worse, what got better, and what else changed that may explain it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import Contract
from fer_deploy.gate.counts import contradictions
from fer_deploy.gate.figures import FLOAT_MODEL
from fer_deploy.gate.integrity import differences
from fer_deploy.gate.verdicts import Change, Outcome, Verdict
from fer_deploy.measure.figures import AccuracyFigures, RuntimeFigures
from fer_deploy.measure.measurement import Measurement, Unit, not_measured
from fer_deploy.measure.statistics import paired_drop_interval
from fer_deploy.report.schema import ArtifactReport, DeviceReport, Report
from fer_deploy.report.wording import amount, describe

#: Least relative change of a size, a time or a memory figure that counts. Sizes vary by version strings inside the
#: files; two runs of one file on one machine differ by more than their intervals say, since those only
#: know the noise within a run.
SIZE_TOLERANCE = 0.01
RUN_TOLERANCE = 0.10
#: What is compared beside the recall of each class.
FIGURES = (
    "accuracy",
    "artifact",
    "agreement with the float model",
    "delegated share",
    "size",
    "median latency",
    "p90 latency",
    "peak memory",
)
#: A figure's name in the verdict that it got worse.
AGAINST_REFERENCE = "{} against the reference"


def changes(before: Report, after: Report) -> tuple[Change, ...]:
    """Return every figure that differs beyond noise, in the order of the report.

    Shares of images are compared image by image where both reports are on the same images, else by their
    intervals. A figure that is gone is a regression, one that is new an improvement.
    """
    shared = tuple(_run_differences(before, after))
    found = [
        *_accuracy(
            FLOAT_MODEL, before.float_accuracy, after.float_accuracy, _same_images(before, after), shared
        )
    ]
    now = {one.key: one for one in after.artifacts}
    for one in before.artifacts:
        found += _artifact(one, now.get(one.key), _same_images(before, after), shared)
    devices = {one.name: one for one in after.devices}
    for device in before.devices:
        found += _device(device, devices.get(device.name), (before, after), shared)
    return tuple(found)


def comparable(before: Report, after: Report) -> str | None:
    """Return why the reports must not be compared, or None when they may."""
    if before.model.name != after.model.name:
        return f"it is of model '{before.model.name}', the report of '{after.model.name}'"
    if not _same_images(before, after):
        ours, theirs = (f"{one.dataset.name}, {one.dataset.images:,} images" for one in (before, after))
        return f"it was measured on other images ({ours}) than the report ({theirs}): their digests differ"
    return None


def against_reference(before: Report, after: Report) -> tuple[Verdict, ...]:
    """Return the verdicts of the ratchet: one per regression, or one that there is none."""
    obstacle = comparable(before, after)
    if obstacle is not None:
        message = (
            f"the reference cannot be compared with: {obstacle}; write a new one with `fer-deploy baseline`"
        )
        return (
            Verdict(figure="reference", subject=FLOAT_MODEL, outcome=Outcome.NOT_MEASURED, message=message),
        )
    if contrary := contradictions(before):
        message = f"the reference contradicts itself: {'; '.join(contrary)}"
        return (Verdict(figure="reference", subject=FLOAT_MODEL, outcome=Outcome.FAIL, message=message),)
    worse = [one for one in changes(before, after) if one.kind == "regression"]
    if not worse:
        message = f"nothing is worse than in the reference of {before.created}"
        return (Verdict(figure="reference", subject=FLOAT_MODEL, outcome=Outcome.PASS, message=message),)
    return tuple(
        Verdict(
            figure=AGAINST_REFERENCE.format(one.figure),
            subject=one.subject,
            device=one.device,
            outcome=Outcome.FAIL,
            limit=f"not worse than {amount(one.before)}",
            value=one.after,
            message=f"{describe(one.before)} before, {describe(one.after)} now; {one.message}",
        )
        for one in worse
    )


def _run_differences(before: Report, after: Report) -> Iterator[str]:
    """Yield what differs between the runs as a whole."""
    if before.model.weights_sha256 != after.model.weights_sha256:
        yield "the model's weights"
    contracts: tuple[Contract, Contract] = (before.model.contract, after.model.contract)
    if contracts[0] != contracts[1]:
        yield f"the contract ({differences(*contracts, ('the first', 'the second'))})"
    if before.dataset.sha256 != after.dataset.sha256:
        yield "the test images"
    if before.calibration != after.calibration:
        yield "the calibration set"
    for name in dict.fromkeys((*before.versions, *after.versions)):
        ours, theirs = before.versions.get(name), after.versions.get(name)
        if ours != theirs:
            yield f"{name} {ours or 'none'} to {theirs or 'none'}"


def _same_images(before: Report, after: Report) -> bool:
    return before.dataset.sha256 is not None and before.dataset.sha256 == after.dataset.sha256


def _accuracy(
    subject: str, before: AccuracyFigures, after: AccuracyFigures, same: bool, shared: tuple[str, ...]
) -> Iterator[Change]:
    paired = _paired(before, after) if same else None
    yield from _change("accuracy", subject, (before.accuracy, after.accuracy), shared, True, paired)
    recalls = {one.label: one.recall for one in after.classes}
    for one in before.classes:
        if one.label in recalls:
            pair = (one.recall, recalls[one.label])
            yield from _change(f"recall of {one.label}", subject, pair, shared, True)


def _artifact(
    before: ArtifactReport, after: ArtifactReport | None, same: bool, shared: tuple[str, ...]
) -> Iterator[Change]:
    if after is None:
        gone = not_measured(before.size.unit, "the artifact is gone")
        yield Change(figure="artifact", subject=before.key, kind="regression", before=before.size, after=gone)
        return
    reasons = (*shared, *(("the model file",) if before.sha256 != after.sha256 else ()))
    yield from _accuracy(before.key, before.accuracy, after.accuracy, same, reasons)
    agreement = (before.parity.agreement, after.parity.agreement)
    yield from _change("agreement with the float model", before.key, agreement, reasons, True)
    share = (before.delegation.share, after.delegation.share)
    yield from _change("delegated share", before.key, share, reasons, True, tolerance=0.0)
    yield from _change(
        "size", before.key, (before.size, after.size), reasons, False, tolerance=SIZE_TOLERANCE
    )


def _device(
    before: DeviceReport, after: DeviceReport | None, reports: tuple[Report, Report], shared: tuple[str, ...]
) -> Iterator[Change]:
    if after is None:
        for one in before.figures:
            yield from _gone(one, before.name)
        return
    moved = [f"{name} {a} to {b}" for name, a, b in _machine(before, after) if a != b]
    now = {one.artifact: one for one in after.figures}
    files = [{one.key: one.sha256 for one in report.artifacts} for report in reports]
    for one in before.figures:
        other = now.get(one.artifact)
        if other is None:
            if (
                files[1].get(one.artifact) is not None
            ):  # else the artifact itself is gone, which is said already
                yield from _gone(one, before.name)
            continue
        reasons = (*shared, *moved)
        if files[0].get(one.artifact) != files[1].get(one.artifact):
            reasons += ("the model file",)
        if (one.runtime, one.threads) != (other.runtime, other.threads):
            reasons += (f"{one.runtime}, {one.threads} threads to {other.runtime}, {other.threads} threads",)
        yield from _runtime(one, other, before.name, reasons)


def _machine(before: DeviceReport, after: DeviceReport) -> Iterator[tuple[str, str, str]]:
    yield "processor", before.soc, after.soc
    yield "system", before.os, after.os
    yield "transport", before.transport, after.transport


def _gone(before: RuntimeFigures, device: str) -> Iterator[Change]:
    """Yield that a timing is gone, where there was one."""
    if before.latency_p50.known:
        gone = not_measured(before.latency_p50.unit, "the report has no figures of it on the device")
        yield Change(
            figure="median latency",
            subject=before.artifact,
            device=device,
            kind="regression",
            before=before.latency_p50,
            after=gone,
        )


def _runtime(
    before: RuntimeFigures, after: RuntimeFigures, device: str, reasons: tuple[str, ...]
) -> Iterator[Change]:
    if before.invalid or after.invalid:
        return  # such a time is no figure: a limit on it is "not measured"
    for figure, ours, theirs in (
        ("median latency", before.latency_p50, after.latency_p50),
        ("p90 latency", before.latency_p90, after.latency_p90),
        ("peak memory", before.peak_memory, after.peak_memory),
    ):
        pair = (ours, theirs)
        yield from _change(
            figure, before.artifact, pair, reasons, False, tolerance=RUN_TOLERANCE, device=device
        )


def _change(
    figure: str,
    subject: str,
    pair: tuple[Measurement, Measurement],
    reasons: tuple[str, ...],
    more_is_better: bool,
    paired: bool | None = None,
    tolerance: float | None = None,
    device: str | None = None,
) -> Iterator[Change]:
    """Yield the change between a pair of measurements when it is one.

    ``paired`` says whether an image-by-image comparison found a difference; None when there was none to make.
    """
    before, after = pair
    if before.value is None or after.value is None:
        if before.known != after.known:
            kind = "improvement" if after.known else "regression"
            yield Change.model_validate(
                {"figure": figure, "subject": subject, "device": device, "kind": kind}
                | {"before": before, "after": after, "explained_by": reasons}
            )
        return
    if before.value == after.value:
        return
    if paired is not None:
        beyond = paired
    else:
        beyond = _apart(before, after) and abs(after.value - before.value) > (tolerance or 0.0) * abs(
            before.value
        )
    if beyond:
        better = (after.value > before.value) == more_is_better
        yield Change(
            figure=figure,
            subject=subject,
            device=device,
            kind="improvement" if better else "regression",
            before=before,
            after=after,
            explained_by=reasons,
        )


def _apart(first: Measurement, second: Measurement) -> bool:
    """Return whether two intervals have nothing in common; figures without one are exact, unless they are times."""
    if first.interval is None or second.interval is None:
        return first.unit is not Unit.MILLISECONDS
    return first.interval.low > second.interval.high or second.interval.low > first.interval.high


def _paired(before: AccuracyFigures, after: AccuracyFigures) -> bool | None:
    """Return whether accuracy differs on the same images, or None without the answers to each image."""
    ours, theirs = _answers(before), _answers(after)
    if ours is None or theirs is None or len(ours) != len(theirs):
        return None
    lost, gained = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    interval = paired_drop_interval(lost, gained, len(ours))
    return not interval.low <= 0 <= interval.high


def _answers(figures: AccuracyFigures) -> NDArray[np.bool_] | None:
    if figures.correct is None:
        return None
    count = sum(one.images for one in figures.classes)
    try:
        raw = base64.b64decode(figures.correct, validate=True)
    except binascii.Error:
        return None
    bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8))
    return bits[:count].astype(np.bool_) if len(bits) >= count else None
