from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from fer_deploy.data.faces import Faces
from fer_deploy.errors import ModelError
from fer_deploy.measure.counted import proportion
from fer_deploy.measure.measurement import Provenance
from fer_deploy.measure.parity import (
    accuracy_figures,
    missing_accuracy,
    missing_parity,
    parity_figures,
    require_spread,
    target_parity,
)
from fixtures.synthetic import LABELS, separable_faces

FACES = separable_faces(8, 0, size=16)  # targets 0 1 2 3 0 1 2 3, rows 1000..1007


def _logits(classes: list[int], height: float = 4.0) -> np.ndarray:
    return (np.eye(len(LABELS), dtype=np.float32) * height)[classes]


def test_accuracy_where_annotators_agree_leaves_the_others_out() -> None:
    faces = separable_faces(8, 0, size=16)
    predicted = [*faces.targets]
    predicted[0] = 1
    agreed = np.array([False, *[True] * 5, False, True])
    figures = accuracy_figures(_logits(predicted), dataclasses.replace(faces, agreed=agreed))
    assert figures.accuracy.value == pytest.approx(7 / 8)
    assert figures.accuracy_where_agreed is not None
    assert figures.accuracy_where_agreed.value == 1.0
    assert figures.accuracy_where_agreed.conditions["images"] == "6"
    assert accuracy_figures(_logits(predicted), faces).accuracy_where_agreed is None


def test_accuracy_by_hand() -> None:
    faces = separable_faces(20, 0, size=16)  # 9 and 19, both of class 3 or 1, are leaked
    predicted = [*faces.targets]
    predicted[0] = 1
    predicted[9] = 0
    figures = accuracy_figures(_logits(predicted), faces)
    assert figures.accuracy.value == pytest.approx(18 / 20)
    assert figures.accuracy_without_leaked.value == pytest.approx(17 / 18)
    assert [entry.recall.value for entry in figures.classes] == pytest.approx([0.8, 0.8, 1.0, 1.0])
    assert [entry.images for entry in figures.classes] == [5, 5, 5, 5]
    assert figures.balanced_accuracy.value == pytest.approx(0.9)
    assert figures.confusion == ((4, 1, 0, 0), (1, 4, 0, 0), (0, 0, 5, 0), (0, 0, 0, 5))
    confidence = np.exp(4) / (np.exp(4) + 3)
    assert figures.ece.value == pytest.approx(abs(confidence - 0.9))
    assert figures.accuracy.interval is not None
    assert figures.accuracy.interval.low < 0.9 < figures.accuracy.interval.high


def test_class_without_images_is_not_measured_and_not_averaged() -> None:
    faces = FACES.subset(FACES.targets != 2)
    figures = accuracy_figures(_logits(list(faces.targets)), faces)
    assert figures.classes[2].recall.provenance is Provenance.NOT_MEASURED
    assert figures.classes[2].images == 0
    assert figures.balanced_accuracy.value == 1.0
    assert figures.balanced_accuracy.conditions == {"classes": "3"}


def test_all_leaked_is_not_measured() -> None:
    faces = Faces(
        FACES.name, LABELS, FACES.pixels, FACES.targets, FACES.distribution, FACES.rows, FACES.leaked | True
    )
    figures = accuracy_figures(_logits(list(faces.targets)), faces)
    assert figures.accuracy.value == 1.0
    assert figures.accuracy_without_leaked.provenance is Provenance.NOT_MEASURED


def test_parity_by_hand() -> None:
    reference = _logits([0, 1, 2, 3, 0, 1, 2, 0])  # the last is wrong
    other = _logits([0, 1, 2, 3, 1, 2, 2, 3], height=3.0)  # loses 4 and 5, gains 7
    figures = parity_figures(reference, other, FACES)
    assert figures.drop.value == pytest.approx(100 * (7 - 6) / 8)
    assert figures.mcnemar_p == pytest.approx(1.0)
    assert figures.agreement.value == pytest.approx(5 / 8)
    assert [(flip.row, flip.label, flip.reference, flip.artifact) for flip in figures.flips] == [
        (1004, "left", "left", "right"),
        (1005, "right", "right", "top"),
        (1007, "bottom", "left", "bottom"),
    ]
    assert figures.worst_class == "left"  # of the two classes that lose half of their recall, the first
    assert figures.worst_class_drop.value == pytest.approx(50)
    assert figures.max_logit_difference.value == pytest.approx(4)
    noise = 5 * 1 + 3 * (16 + 9)
    assert figures.rms_logit_difference.value == pytest.approx(np.sqrt(noise / 32))
    assert figures.sqnr.value == pytest.approx(10 * np.log10(8 * 16 / noise))
    assert figures.drop.interval is not None
    assert figures.drop.interval.low <= 12.5 <= figures.drop.interval.high


def test_equal_logits() -> None:
    logits = _logits(list(FACES.targets))
    figures = parity_figures(logits, logits.copy(), FACES)
    assert (figures.drop.value, figures.agreement.value, figures.flips) == (0, 1, ())
    assert figures.sqnr.reason == "the logits are equal, the ratio is infinite"
    assert figures.mcnemar_p == 1.0


@given(hnp.arrays(np.float32, (2, 8, 4), elements={"min_value": -50, "max_value": 50}))
def test_parity_is_antisymmetric_in_the_drop(logits: np.ndarray) -> None:
    forward, backward = (parity_figures(a, b, FACES) for a, b in (logits, logits[::-1]))
    assert forward.drop.value == pytest.approx(-(backward.drop.value or 0))
    assert forward.agreement == backward.agreement
    assert forward.mcnemar_p == backward.mcnemar_p
    assert forward.max_logit_difference == backward.max_logit_difference
    assert (forward.worst_class_drop.value or 0) >= (forward.drop.value or 0) - 1e-9
    assert len(forward.flips) == round(8 * (1 - (forward.agreement.value or 0)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_no_answer(value: float) -> None:
    good = _logits(list(FACES.targets))
    bad = good.copy()
    bad[3, 1] = value
    for call in (
        lambda: accuracy_figures(bad, FACES),
        lambda: parity_figures(good, bad, FACES),
        lambda: parity_figures(bad, good, FACES),
    ):
        with pytest.raises(ModelError, match="1 of 8 images get logits that are not finite"):
            call()


def test_untrained_model_is_refused() -> None:
    require_spread(_logits([0, 1, 2, 3]), "a net")
    for dead in (np.zeros((9, 4)), np.full((9, 4), np.nan), np.tile([3.0, 1, 0, 0], (9, 1))):
        with pytest.raises(ModelError, match="the logits of a net hardly depend on the image"):
            require_spread(dead.astype(np.float32), "a net")


def test_two_targets() -> None:
    figures = target_parity("float", "onnx", "executorch", (_logits([0, 1, 2]), _logits([0, 1, 3])))
    assert figures.agreement.value == pytest.approx(2 / 3)
    assert figures.max_logit_difference.value == 4


def test_proportion_of_nothing() -> None:
    assert proportion(np.array([], dtype=bool)).provenance is Provenance.NOT_MEASURED


def test_missing_figures_all_say_why() -> None:
    accuracy, parity = missing_accuracy(FACES, "no runtime"), missing_parity("no runtime")
    figures = [
        accuracy.accuracy,
        accuracy.ece,
        *(entry.recall for entry in accuracy.classes),
        parity.drop,
        parity.sqnr,
    ]
    assert {figure.reason for figure in figures} == {"no runtime"}
    assert [entry.images for entry in accuracy.classes] == [2, 2, 2, 2]
