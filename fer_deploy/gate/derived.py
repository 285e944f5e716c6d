"""Figures that no report holds and that are worked out of those it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from fer_deploy.measure.figures import CorruptedFigures, RuntimeFigures
from fer_deploy.measure.measurement import Interval, Measurement, Provenance, Unit, not_measured
from fer_deploy.report.schema import ArtifactReport, Report

_WORST_FIRST = (Provenance.NOT_MEASURED, Provenance.ESTIMATED, Provenance.EMULATED, Provenance.MEASURED)


def worst_class_drop(report: Report, artifact: ArtifactReport) -> Measurement:
    """Return the largest drop in recall, or that it is not known because a class has no image."""
    drop = artifact.parity.worst_class_drop
    empty = [label for label, count in report.dataset.per_class.items() if count == 0]
    if empty and drop.known:
        return not_measured(Unit.POINTS, f"the test set has no image of {', '.join(empty)}")
    return drop


def flipped_images(artifact: ArtifactReport) -> Measurement:
    """Return how many images get another class from the artifact, known as well as the agreement is."""
    agreement = artifact.parity.agreement
    if not agreement.known:
        return not_measured(Unit.COUNT, agreement.reason or "")
    return Measurement(
        value=len(artifact.parity.flips),
        unit=Unit.COUNT,
        provenance=agreement.provenance,
        conditions=agreement.conditions,
    )


def under_corruption(
    corrupted: CorruptedFigures | None, figure: Callable[[CorruptedFigures], Measurement | None]
) -> Measurement:
    """Return a figure under corruption, or that nobody asked for it."""
    found = None if corrupted is None else figure(corrupted)
    if found is None:
        return not_measured(
            Unit.FRACTION,
            "nothing was corrupted, or this machine cannot run the artifact; set [corruptions] images and run again",
        )
    return found


def flips_on_npu(artifact: ArtifactReport) -> Measurement:
    """Return the share of test images that change class on the emulated NPU on which most do, or why none is known."""
    if not artifact.npu:
        return not_measured(
            Unit.FRACTION,
            "it was not run on an NPU: name a device in [profile] devices whose NPU is emulated (for int8 onnx "
            "artifacts a Snapdragon phone, for executorch ones an Ethos-U), set npu_images there and run again",
        )
    unknown = [one.agreement for one in artifact.npu if not one.agreement.known]
    return unknown[0] if unknown else complement(min((one.agreement for one in artifact.npu), key=_value))


def planned(figures: RuntimeFigures, memory: Literal["sram", "flash"]) -> Measurement | None:
    """Return what an NPU's compiler plans to use of a memory, or why it is not known; None without such an NPU."""
    if figures.compiled is not None:
        return figures.compiled.sram if memory == "sram" else figures.compiled.flash
    if not figures.for_npu:
        return None
    return not_measured(Unit.BYTES, figures.latency_p50.reason or "its compiler says nothing of it")


def _value(figure: Measurement) -> float:
    return figure.value if figure.value is not None else 0.0


def complement(share: Measurement) -> Measurement:
    """Return 1 - share, with its interval."""
    if share.value is None:
        return share
    bound = share.interval
    return share.model_copy(
        update={
            "value": 1 - share.value,
            "interval": bound and Interval(low=1 - bound.high, high=1 - bound.low, method=bound.method),
        }
    )


def shift(before: Measurement, after: Measurement) -> Measurement:
    """Return the size of the difference of two fractions in points, with the weaker of their provenances."""
    for one in (before, after):
        if not one.known:
            return not_measured(Unit.POINTS, one.reason or "")
    assert before.value is not None  # known
    assert after.value is not None
    weaker = min((before, after), key=lambda one: _WORST_FIRST.index(one.provenance))
    return Measurement(
        value=100 * abs(after.value - before.value),
        unit=Unit.POINTS,
        provenance=weaker.provenance,
        conditions=weaker.conditions,
        interval=None,
    )
