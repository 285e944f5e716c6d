"""Figures under corruption: the same pictures for everyone, counted as they are, uncertain as images are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fer_deploy.data.corruptions import CORRUPTIONS, SEVERITIES
from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.measure.corrupted import (
    Pixels,
    corrupted_figures,
    corrupted_inference,
    corrupted_pixels,
    some_of,
)
from fer_deploy.measure.subject import Inference
from fixtures.sample_report import PLAIN_LABELS, sample_faces


@pytest.fixture
def faces() -> Faces:
    some = sample_faces(PLAIN_LABELS, 12)
    pixels = np.random.default_rng(0).integers(0, 256, some.pixels.shape, dtype=np.uint8)
    return dataclasses.replace(some, pixels=pixels)


def test_pictures_depend_on_kind_severity_and_seed_alone(faces: Faces) -> None:
    for kind in CORRUPTIONS:
        first = corrupted_pixels(faces.pixels, kind, 2, 0)
        assert first.shape == faces.pixels.shape
        assert first.dtype == np.uint8
        assert (first != faces.pixels).any()
        assert np.array_equal(first, corrupted_pixels(faces.pixels, kind, 2, 0))
    noisy = corrupted_pixels(faces.pixels, "gaussian_noise", 2, 0)
    assert (noisy != corrupted_pixels(faces.pixels, "gaussian_noise", 2, 1)).any()


def test_the_draw_is_of_the_seed_and_in_order(faces: Faces) -> None:
    drawn = some_of(faces, 5, 3)
    assert drawn.rows.tolist() == sorted(drawn.rows.tolist()) == some_of(faces, 5, 3).rows.tolist()
    assert drawn.rows.tolist() != some_of(faces, 5, 4).rows.tolist()
    assert some_of(faces, 100, 3) is faces


def test_every_kind_and_severity_is_asked_once_after_the_clean_images(faces: Faces) -> None:
    asked: list[Pixels] = []

    def answer(pixels: Pixels) -> Inference:
        asked.append(pixels)
        return Inference(pixels.reshape(len(pixels), -1)[:, :8].astype(np.float32), "by hand")

    found = corrupted_inference(answer, faces, 0)
    assert found.emulation == "by hand"
    assert len(found.logits) == (1 + SEVERITIES * len(CORRUPTIONS)) * len(faces)
    assert np.array_equal(asked[0], faces.pixels)
    for kind, views in zip(CORRUPTIONS, asked[1:], strict=True):
        for severity in range(1, SEVERITIES + 1):
            part = views[(severity - 1) * len(faces) : severity * len(faces)]
            assert np.array_equal(part, corrupted_pixels(faces.pixels, kind, severity, 0))


def _logits(classes: np.ndarray, count: int) -> np.ndarray:
    return one_hot(classes.ravel(), count)


def test_figures_are_the_shares_that_they_say(faces: Faces) -> None:
    views, count = 1 + SEVERITIES * len(CORRUPTIONS), len(faces.labels)
    answers = np.tile(faces.targets, (views, 1))
    # Severity 3 of every kind is answered wrongly, and half of the images of severity 2.
    for place in range(len(CORRUPTIONS)):
        answers[3 + 3 * place] = (faces.targets + 1) % count
        answers[2 + 3 * place, ::2] = (faces.targets[::2] + 1) % count
    figures = corrupted_figures(_logits(answers, count), faces, 7)
    assert (figures.images, figures.seed, figures.clean.value) == (12, 7, 1.0)
    assert figures.accuracy.value == pytest.approx(0.5)
    assert figures.held_out.value == pytest.approx(0.5)
    assert figures.agreement is None
    for kind, (name, corruption) in zip(figures.kinds, CORRUPTIONS.items(), strict=True):
        assert (kind.kind, kind.role) == (name, corruption.role)
        assert [one.value for one in kind.accuracies] == [1.0, 0.5, 0.0]
        assert len(kind.strengths) == SEVERITIES
    # Even images are right once in three, odd ones twice: the interval is over these 12, not over 12 x 66 answers.
    spread = np.std([1 / 3, 2 / 3] * 6, ddof=1) / np.sqrt(12)
    assert figures.accuracy.interval is not None
    half = (figures.accuracy.interval.high - figures.accuracy.interval.low) / 2
    assert half == pytest.approx(1.96 * spread, rel=1e-3)


def test_flips_are_counted_against_the_reference_on_the_same_picture(faces: Faces) -> None:
    views, count = 1 + SEVERITIES * len(CORRUPTIONS), len(faces.labels)
    reference = np.random.default_rng(1).integers(0, count, (views, 12))
    other = reference.copy()
    other[0] = (other[0] + 1) % count  # of the clean images: not among the flips under corruption
    other[1, :6] = (other[1, :6] + 1) % count
    figures = corrupted_figures(_logits(other, count), faces, 0, _logits(reference, count))
    assert figures.agreement is not None
    assert figures.agreement.value == pytest.approx(1 - 6 / (12 * 66))
    first = figures.kinds[0].agreement
    assert first is not None
    assert first.value == pytest.approx(1 - 6 / 36)


def test_drawn_faces_have_flips_but_no_accuracy(faces: Faces) -> None:
    drawn = dataclasses.replace(faces, drawn=True)
    logits = _logits(np.zeros((67, 12), np.int64), 8)
    figures = corrupted_figures(logits, drawn, 0, logits)
    assert not figures.accuracy.known
    assert not figures.clean.known
    assert not figures.kinds[0].accuracies[0].known
    assert figures.agreement is not None
    assert figures.agreement.value == 1.0
