"""Figures that are worked out: they keep intervals and provenance, and gaps stay gaps."""

from __future__ import annotations

import pytest

from fer_deploy.gate.derived import complement, shift, worst_class_drop
from fer_deploy.measure.measurement import Interval, Measurement, Provenance, Unit, measured, not_measured
from fer_deploy.report.schema import Report

GAP = not_measured(Unit.FRACTION, "no images")


def test_a_complement_turns_its_interval_round() -> None:
    share = complement(measured(0.98, Unit.FRACTION, Interval(low=0.95, high=0.99, method="95 %, Wilson")))
    assert share.value == pytest.approx(0.02)
    assert share.interval is not None
    assert [share.interval.low, share.interval.high] == pytest.approx([0.01, 0.05])
    assert share.interval.method == "95 %, Wilson"
    assert complement(measured(0.98, Unit.FRACTION)).interval is None
    assert complement(GAP) == GAP


@pytest.mark.parametrize("first", [True, False])
def test_a_shift_is_in_points_and_as_weak_as_the_weaker(first: bool) -> None:
    strong = measured(0.10, Unit.FRACTION)
    weak = Measurement(value=0.04, unit=Unit.FRACTION, provenance=Provenance.EMULATED)
    found = shift(weak, strong) if first else shift(strong, weak)
    assert found.value == pytest.approx(6.0)
    assert found.unit is Unit.POINTS
    assert found.provenance is Provenance.EMULATED


@pytest.mark.parametrize("first", [True, False])
def test_a_shift_from_or_to_a_gap_is_that_gap(first: bool) -> None:
    known = measured(0.10, Unit.FRACTION)
    found = shift(GAP, known) if first else shift(known, GAP)
    assert (found.value, found.unit, found.reason) == (None, Unit.POINTS, "no images")


def test_the_worst_class_is_not_known_where_a_class_has_no_image(plain_report: Report) -> None:
    artifact = plain_report.artifacts[0]
    assert worst_class_drop(plain_report, artifact) == artifact.parity.worst_class_drop
    counts = plain_report.dataset.per_class | {"disgust": 0}
    dataset = plain_report.dataset.model_copy(update={"per_class": counts})
    found = worst_class_drop(plain_report.model_copy(update={"dataset": dataset}), artifact)
    assert found == not_measured(Unit.POINTS, "the test set has no image of disgust")
