"""Faces in every form that Python has them in, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer_deploy.data.faces import Faces
from fer_deploy.errors import ArgumentError, DataError
from fer_deploy.model import Model
from fer_deploy.pipeline.config import QuantizeSection
from fer_deploy.pipeline.given import given_calibration, given_faces, given_model, given_subject
from fixtures.job import write_faces
from fixtures.synthetic import LABELS, SIZE, separable_faces

_ALL = QuantizeSection(calibration_images=64)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return separable_faces(40, 5)


def _pixels(faces: Faces) -> list[bytes]:
    return sorted(one.tobytes() for one in faces.pixels)


def test_every_form_of_the_same_images_is_the_same_set(
    faces: Faces, trained_model: Model, tmp_path: Path
) -> None:
    grey = faces.pixels[:, 0]
    forms: list[Any] = [
        faces,
        grey,
        faces.pixels,
        np.repeat(faces.pixels, 3, axis=1),
        np.stack([grey] * 3, axis=-1),
    ]
    write_faces(tmp_path, "classes", 40, 5)
    (tmp_path / "flat").mkdir()
    for index, image in enumerate(grey):
        Image.fromarray(image).save(tmp_path / "flat" / f"{index}.png")
    for given in (*forms, tmp_path / "classes", str(tmp_path / "flat")):
        drawn = given_calibration(given, trained_model, _ALL)
        assert _pixels(drawn.faces) == _pixels(faces)
        assert drawn.per_class == {label: 10 for label in LABELS}


def test_no_more_are_drawn_than_the_configuration_says(faces: Faces, trained_model: Model) -> None:
    drawn = given_calibration(faces, trained_model, QuantizeSection(calibration_images=8))
    assert drawn.per_class == {label: 2 for label in LABELS}


def test_images_of_another_size_are_prepared(trained_model: Model) -> None:
    drawn = given_calibration(separable_faces(16, 5, 2 * SIZE).pixels, trained_model, _ALL)
    assert drawn.faces.pixels.shape == (16, 1, SIZE, SIZE)


def test_a_data_set_s_folder_gives_its_split(trained_model: Model, tmp_path: Path) -> None:
    write_faces(tmp_path, "train", 40, 5)
    write_faces(tmp_path, "test", 20, 6)
    assert len(given_faces(tmp_path, trained_model.contract)) == 20
    assert len(given_faces(str(tmp_path / "test"), trained_model.contract)) == 20
    # a tenth of the training split is held out for validation
    assert len(given_calibration(tmp_path, trained_model, _ALL).faces) == 36


def test_what_does_not_fit_is_refused(faces: Faces, trained_model: Model, tmp_path: Path) -> None:
    other = dataclasses.replace(faces, labels=("a", "b", "c", "d"))
    (tmp_path / "top").mkdir()
    refused: tuple[tuple[Any, str], ...] = (
        (other, "has the labels"),
        (separable_faces(8, 5, 2 * SIZE), "contract wants"),
        (faces.pixels.astype(np.float32), "got float32"),
        (faces.pixels[0, 0], "uint8 array"),
        (faces.pixels[:0], "uint8 array"),
        (tmp_path / "none", "does not exist"),
        (tmp_path, "no folder for left, right, bottom"),
    )
    for given, words in refused:
        with pytest.raises(DataError, match=words):
            given_calibration(given, trained_model, _ALL)
    for wrong in (3, [faces], None):
        with pytest.raises(ArgumentError, match="calibration, unless"):
            given_calibration(wrong, trained_model, _ALL)  # type: ignore[arg-type]


def test_a_comparison_needs_labels(faces: Faces, trained_model: Model) -> None:
    assert given_faces(faces, trained_model.contract) is faces
    with pytest.raises(ArgumentError, match="no labels"):
        given_faces(faces.pixels, trained_model.contract)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="got int"):
        given_faces(3, trained_model.contract)  # type: ignore[arg-type]


def test_models_and_artifacts_are_taken_as_they_are_or_by_name(
    trained_model: Model, model_folder: Path
) -> None:
    assert given_model(trained_model) is trained_model
    assert given_model(str(model_folder)).name == given_model(model_folder).name == trained_model.name
    assert given_subject(trained_model, "first").source is trained_model
    assert given_subject(model_folder, "first").contract == trained_model.contract
    with pytest.raises(ArgumentError, match=r"model is a Model, .*got int"):
        given_model(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"second is a Model, .*got list"):
        given_subject([], "second")  # type: ignore[arg-type]
