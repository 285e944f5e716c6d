"""Temperature and threshold are those that made the labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_deploy.measure.confidence import (
    fitted_confidence,
    fitted_temperature,
    negative_log_likelihood,
)
from fer_deploy.measure.parity import accuracy_figures
from fer_deploy.targets.prediction import softmax
from fixtures.sample_report import PLAIN_LABELS, sample_faces


def _told(
    temperature: float, seed: int, count: int = 4000, classes: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (N, K), and labels drawn from their softmax at ``temperature``."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 3, (count, classes)).astype(np.float32)
    shares = softmax(logits, temperature).cumsum(axis=1)
    return logits, (draw.random((count, 1)) > shares).sum(axis=1).clip(max=classes - 1)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.3, 5.0), st.integers(0, 1000))
def test_the_temperature_that_made_the_labels_is_found(temperature: float, seed: int) -> None:
    logits, targets = _told(temperature, seed)
    found = fitted_temperature(logits, targets)
    assert found == pytest.approx(temperature, rel=0.15)
    best = negative_log_likelihood(logits, targets, found)
    for other in (found * 0.98, found * 1.02, 1.0):
        assert best <= negative_log_likelihood(logits, targets, other) + 1e-12


def test_the_likelihood_is_that_of_the_softmax() -> None:
    logits, targets = _told(1.0, 3, 50)
    direct = -np.log(softmax(logits, 1.7)[np.arange(50), targets]).mean()
    assert negative_log_likelihood(logits, targets, 1.7) == pytest.approx(float(direct))


def test_calibration_and_coverage_are_what_was_asked_for() -> None:
    logits, targets = _told(0.5, 5, classes=len(PLAIN_LABELS))
    faces = dataclasses.replace(sample_faces(PLAIN_LABELS, 4000), targets=targets)
    found = fitted_confidence(logits, faces, 0.8)
    assert (found.coverage, found.fitted_on) == (0.8, faces.name)
    before, after = accuracy_figures(logits, faces), accuracy_figures(logits, faces, found)
    assert before.ece.value is not None
    assert after.ece.value is not None
    assert after.ece.value < before.ece.value / 3
    assert before.answered is None
    assert after.answered is not None
    assert after.accuracy_of_answered is not None
    assert after.answered.value == pytest.approx(0.8, abs=0.002)
    assert (after.accuracy_of_answered.value or 0) > (after.accuracy.value or 1)
    # Which class wins does not depend on how sure it is.
    assert after.accuracy == before.accuracy


def test_without_coverage_every_face_is_answered() -> None:
    logits, targets = _told(1.0, 6, 200, len(PLAIN_LABELS))
    faces = dataclasses.replace(sample_faces(PLAIN_LABELS, 200), targets=targets)
    for coverage in (None, 1.0):
        found = fitted_confidence(logits, faces, coverage)
        assert (found.unsure_below, found.coverage) == (0.0, 1.0)
        assert accuracy_figures(logits, faces, found).answered is None
