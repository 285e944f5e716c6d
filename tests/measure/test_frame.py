"""The budget of a camera frame adds up, and says what it does not know."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.devices.profile import load_profile
from fer_deploy.measure.frame import SMOOTHING_SECONDS, frame_budget, smoothed
from fer_deploy.measure.measurement import (
    Interval,
    Measurement,
    Provenance,
    Unit,
    estimated,
    measured,
    not_measured,
)
from fixtures.synthetic import contract_for, input_spec

_CONTRACT = contract_for(input_spec(48))


def _ms(value: float) -> Measurement:
    return measured(value, Unit.MILLISECONDS)


def test_host_measures_what_is_ours_and_says_what_is_not() -> None:
    budget = frame_budget(load_profile("host"), _CONTRACT, _ms(2.0), 33.3)
    by_name = {stage.name: stage.latency for stage in budget.stages}
    assert list(by_name) == ["face detection", "crop and resize", "classification", "smoothing"]
    for name in ("crop and resize", "smoothing"):
        assert by_name[name].provenance is Provenance.MEASURED
        assert len(by_name[name].samples) == 200
        assert (by_name[name].value or 0) > 0
    assert by_name["face detection"].value is None
    assert "the apps use the system's own" in (by_name["face detection"].reason or "")
    assert budget.verdict == "not known"
    assert budget.total.reason == "no figure for face detection"
    assert 0 < budget.left_ms < 31.3


def test_a_phone_gets_a_published_or_estimated_detector() -> None:
    pixel = frame_budget(load_profile("pixel-8"), _CONTRACT, _ms(2.0), 33.3)
    assert pixel.stages[0].latency.provenance is Provenance.ESTIMATED
    assert "BlazeFace" in pixel.stages[0].what
    galaxy = frame_budget(load_profile("galaxy-s25"), _CONTRACT, _ms(2.0), 33.3)
    assert galaxy.stages[0].latency.provenance is Provenance.ESTIMATED
    assert "NPU" in galaxy.stages[0].what
    assert "ai-hub-models" in galaxy.stages[0].latency.conditions["calibration"]
    assert "does its own" in (galaxy.stages[1].latency.reason or "")


def test_too_slow_alone_does_not_fit_whatever_else_is_unknown() -> None:
    budget = frame_budget(load_profile("iphone-15"), _CONTRACT, _ms(40.0), 33.3)
    assert budget.verdict == "does not fit"
    assert budget.left_ms == pytest.approx(33.3 - 40.0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(1.0, 2.0, "fits"), (1.0, 99.0, "may not fit"), (50.0, 99.0, "does not fit")]
)
def test_verdicts(monkeypatch: pytest.MonkeyPatch, low: float, high: float, verdict: str) -> None:
    from fer_deploy.measure import frame

    known = frame.FrameStage(name="face detection", what="a detector", latency=_ms(1.0))
    monkeypatch.setattr(frame, "_detection", lambda _profile, _threads: known)
    band = Interval(low=low, high=high, method="test")
    classification = estimated((low + high) / 2, Unit.MILLISECONDS, band)
    budget = frame_budget(load_profile("host"), _CONTRACT, classification, 33.3)
    assert budget.verdict == verdict
    assert budget.total.provenance is Provenance.ESTIMATED
    assert budget.total.value == pytest.approx(sum(stage.latency.value or 0 for stage in budget.stages))


def test_unknown_classification_is_unknown() -> None:
    nothing = not_measured(Unit.MILLISECONDS, "no phone")
    budget = frame_budget(load_profile("pixel-8"), _CONTRACT, nothing, 33.3)
    assert budget.verdict == "not known"
    assert "classification" in (budget.total.reason or "")


@given(
    st.lists(st.floats(0.01, 1), min_size=2, max_size=8),
    st.lists(st.floats(0.01, 1), min_size=8, max_size=8),
    st.floats(0, 10),
    st.floats(0, 10),
)
def test_smoothing_does_not_depend_on_the_frame_rate(
    before: list[float], after: list[float], first: float, second: float
) -> None:
    state = np.array(before) / sum(before)
    new = np.array(after[: len(before)]) / sum(after[: len(before)])
    once = smoothed(state, new, first + second)
    twice = smoothed(smoothed(state, new, first), new, second)
    np.testing.assert_allclose(once, twice, atol=1e-12)
    assert once.sum() == pytest.approx(1)
    assert (once >= 0).all()


def test_smoothing_has_its_time_constant() -> None:
    moved = smoothed(np.array([1.0, 0.0]), np.array([0.0, 1.0]), SMOOTHING_SECONDS)
    assert moved[1] == pytest.approx(1 - math.exp(-1))
