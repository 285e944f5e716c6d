"""Closest calls first, and what may be said of images that were not run."""

from __future__ import annotations

import numpy as np
import pytest

from fer_deploy.data.faces import Faces
from fer_deploy.measure.measurement import Provenance
from fer_deploy.measure.npu import closest_calls, margins, missing_npu, npu_figures
from fixtures.sample_report import PLAIN_LABELS, sample_report

IMAGES = 200


@pytest.fixture(scope="module")
def faces() -> Faces:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 3, IMAGES)
    return Faces(
        name="made up",
        labels=("a", "b", "c"),
        pixels=generator.integers(0, 256, (IMAGES, 1, 8, 8)).astype(np.uint8),
        targets=targets,
        distribution=np.eye(3, dtype=np.float32)[targets],
        rows=np.arange(1000, 1000 + IMAGES),
        leaked=np.zeros(IMAGES, bool),
    )


@pytest.fixture(scope="module")
def reference(faces: Faces) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 1, (IMAGES, 3))
    return (2 * faces.distribution + noise).astype(np.float32)


def _moved(reference: np.ndarray, by: float) -> np.ndarray:
    return (reference + np.random.default_rng(2).uniform(-by, by, reference.shape)).astype(np.float32)


def test_closest_calls_come_first(reference: np.ndarray) -> None:
    rows = closest_calls(reference, 20)
    assert list(margins(reference)[rows]) == sorted(margins(reference))[:20]
    assert len(closest_calls(reference, 10_000)) == IMAGES


def test_all_images_need_no_assumption(faces: Faces, reference: np.ndarray) -> None:
    there, rows = _moved(reference, 0.1), closest_calls(reference, IMAGES)
    found = npu_figures("npu", there[rows], rows, reference, there, faces, 0.05)
    flips = (there.argmax(axis=1) != reference.argmax(axis=1)).sum()
    assert flips > 0
    assert found.agreement.value == pytest.approx(1 - flips / IMAGES)
    assert found.agreement.provenance is Provenance.EMULATED
    assert "not established" in found.agreement.conditions["emulation"]
    assert found.accuracy.value == pytest.approx((there.argmax(axis=1) == faces.targets).mean())
    assert (found.margin, found.same_as_here.value, len(found.flips)) == (None, 1.0, flips)
    assert {flip.row - 1000 for flip in found.flips} == set(
        np.flatnonzero(there.argmax(axis=1) != reference.argmax(axis=1))
    )


def test_the_closest_calls_tell_of_all_where_the_rest_is_clear(faces: Faces, reference: np.ndarray) -> None:
    there = _moved(reference, 0.1)
    every = npu_figures("npu", there, np.arange(IMAGES), reference, there, faces)
    rows = closest_calls(reference, int((margins(reference) < 0.4).sum()))
    some = npu_figures("npu", there[rows], rows, reference, there, faces)
    assert some.images < IMAGES / 2
    assert some.agreement.value == every.agreement.value
    assert some.accuracy.value == every.accuracy.value
    assert "taken as unchanged" in some.agreement.conditions["others"]


def test_too_few_say_how_many_it_takes(faces: Faces, reference: np.ndarray) -> None:
    there, rows = _moved(reference, 0.1), closest_calls(reference, 5)
    found = npu_figures("npu", there[rows], rows, reference, there, faces)
    assert not found.agreement.known
    assert not found.accuracy.known
    reason = found.agreement.reason or ""
    needed = int(reason.split("npu_images = ")[1].split()[0])
    assert found.shift is not None
    assert needed == (margins(reference) < 2 * found.shift).sum()
    rows = closest_calls(reference, IMAGES)
    assert npu_figures("npu", there[rows], rows, reference, there, faces).agreement.known


def test_of_drawn_faces_nothing_is_right(faces: Faces, reference: np.ndarray) -> None:
    import dataclasses

    drawn, rows = dataclasses.replace(faces, drawn=True), closest_calls(reference, IMAGES)
    found = npu_figures("npu", reference[rows], rows, reference, reference, drawn)
    assert not found.accuracy.known
    assert found.agreement.value == 1.0


def test_what_was_not_run_says_why() -> None:
    found = missing_npu("npu", 7, "no library", ("Conv x",))
    assert {found.agreement.reason, found.accuracy.reason, found.max_logit_difference.reason} == {
        "no library"
    }
    assert (found.images, found.of, found.not_taken) == (0, 7, ("Conv x",))


def test_a_report_with_them_is_read_as_it_was_written() -> None:
    report = sample_report(PLAIN_LABELS)
    assert any(one.npu for one in report.artifacts)
    assert type(report).model_validate_json(report.model_dump_json()) == report
