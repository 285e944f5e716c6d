"""The rule that tells pictures of no face: fitted, thresholded, judged, and as a contract holds it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fer_deploy.contract import Confidence, Contract, NoFace, TrainedOn, parse_contract
from fer_deploy.errors import ContractError, ModelError
from fer_deploy.measure.confidence import answered_rows, fitted_confidence
from fer_deploy.measure.no_face import auroc, fitted_no_face, no_face_figures
from fer_deploy.targets.prediction import no_face_features, no_face_probability, prediction_of
from fixtures.synthetic import input_spec, separable_faces

RULE = NoFace(weights=(0.5, -0.5), energy=-2.0, bias=1.0, above=0.6, kept=0.9, fitted_on="nothing")


def logits(seed: int, count: int, largest: float) -> NDArray[np.float32]:
    """Logits of ``count`` pictures, one of four ``largest`` on average."""
    drawn = np.random.default_rng(seed).normal(size=(count, 4))
    drawn[np.arange(count), np.arange(count) % 4] += largest
    return drawn.astype(np.float32)


def test_a_rule_tells_small_logits_from_large_ones_and_keeps_the_faces_asked_for() -> None:
    faces, others, held = logits(0, 800, 6), logits(1, 300, 0), logits(2, 1000, 6)
    rule = fitted_no_face(faces, others, held, 0.95, "drawn logits")
    assert float((no_face_probability(held, rule) <= rule.above).mean()) == pytest.approx(0.95, abs=0.002)
    figures = no_face_figures(rule, held, logits(3, 50, 0), logits(4, 400, 0))
    assert figures.auroc_voted.value is not None
    assert figures.auroc_made.value is not None
    assert min(figures.auroc_voted.value, figures.auroc_made.value) > 0.95
    assert figures.made_told.value is not None
    assert figures.made_told.value > 0.8
    unasked = no_face_figures(rule, held, None, logits(4, 400, 0))
    assert unasked.auroc_voted.value is None
    assert unasked.voted_told.value is None


def test_pictures_that_are_told_without_error_leave_a_finite_rule() -> None:
    rule = fitted_no_face(
        logits(0, 100, 60), logits(1, 100, 0) / np.float32(100), logits(2, 100, 60), 0.9, "drawn logits"
    )
    assert np.isfinite([*rule.weights, rule.energy, rule.bias]).all()


def test_logits_that_tell_nothing_are_refused() -> None:
    others = logits(1, 100, 0) / np.float32(100)
    with pytest.raises(ModelError, match="do not tell faces from other pictures"):
        fitted_no_face(logits(0, 100, 60), others, others, 0.9, "nothing")


def test_area_under_the_curve_counts_ties_half() -> None:
    low, high = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert (auroc(low, high), auroc(high, low), auroc(low, low)) == (1.0, 0.0, 0.5)


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=2, max_size=2))
def test_any_logits_have_a_probability(values: list[float]) -> None:
    row = np.array([values], dtype=np.float32)
    assert 0 <= float(no_face_probability(row, RULE)[0]) <= 1
    assert no_face_features(row)[0, -1] >= max(row[0].astype(np.float64))


def contract(rule: NoFace | None, below: float = 0.0) -> Contract:
    sure = Confidence(temperature=2.0, unsure_below=below, fitted_on="nothing", no_face=rule)
    return Contract(
        labels=("yes", "no"), input=input_spec(), trained_on=TrainedOn(dataset="none"), confidence=sure
    )


def test_a_picture_of_no_face_has_no_answer() -> None:
    face = prediction_of(np.array([4.0, 1.0], dtype=np.float32), contract(RULE, 0.6))
    assert (face.is_face, face.unsure, face.answered) == (True, False, True)
    assert face.no_face is not None
    energy = np.log(np.exp(4.0) + np.exp(1.0))
    assert face.no_face == pytest.approx(1 / (1 + np.exp(-(1.0 - 2 * energy + 0.5 * 4 - 0.5 * 1))))
    none = prediction_of(np.array([-3.0, -3.1], dtype=np.float32), contract(RULE, 0.6))
    assert (none.is_face, none.unsure, none.answered) == (False, True, False)
    assert prediction_of(np.array([-3.0, -3.1], dtype=np.float32), contract(None)).no_face is None


def test_coverage_counts_what_is_no_face_as_not_answered() -> None:
    faces = separable_faces(400, 0)
    answers = logits(0, 400, 3)
    rule = fitted_no_face(answers, logits(1, 200, 0), answers, 0.9, "drawn logits")
    sure = fitted_confidence(answers, faces, 0.7, rule)
    assert float(answered_rows(answers, sure).mean()) == pytest.approx(0.7, abs=0.01)


def test_a_contract_without_a_rule_is_the_one_it_was() -> None:
    without = contract(None)
    assert "no_face" not in without.model_dump()["confidence"]
    assert without.sha256 != contract(RULE).sha256
    table = contract(RULE).model_dump(mode="json")
    assert parse_contract(table, "here") == contract(RULE)
    table["labels"] = ["yes", "no", "perhaps"]
    with pytest.raises(ContractError, match="2 weights for 3 labels"):
        parse_contract(table, "here")
