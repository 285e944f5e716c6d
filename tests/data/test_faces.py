from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_deploy.data.faces import Faces, data_root, one_hot
from fer_deploy.errors import DataError


def some_faces(count: int = 4, **replaced: np.ndarray) -> Faces:
    targets = np.arange(count, dtype=np.int64) % 2
    fields = {
        "pixels": np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 2), np.uint8),
        "targets": targets,
        "distribution": one_hot(targets, 2),
        "rows": np.arange(count, dtype=np.int64) * 10,
        "leaked": targets == 1,
    }
    return Faces(name="made up", labels=("a", "b"), **{**fields, **replaced})


def test_len_is_the_number_of_images() -> None:
    assert len(some_faces(3)) == 3


def test_no_image_is_an_error() -> None:
    with pytest.raises(DataError, match="made up holds no usable image"):
        some_faces(0)


@pytest.mark.parametrize("field", ["targets", "distribution", "rows", "leaked"])
def test_lengths_must_agree(field: str) -> None:
    short = getattr(some_faces(), field)[:-1]
    with pytest.raises(DataError, match="made up has 4 images but 3 labels"):
        some_faces(**{field: short})


@pytest.mark.parametrize("index", [np.array([3, 0]), np.array([True, False, False, True])])
def test_subset_takes_every_field_at_the_same_places(index: np.ndarray) -> None:
    faces = some_faces()
    subset = faces.subset(index, name="part")
    places = index if index.dtype != bool else np.flatnonzero(index)
    assert subset.name == "part"
    assert subset.labels == faces.labels
    assert subset.pixels[:, 0, 0, 0].tolist() == places.tolist()
    assert subset.rows.tolist() == (places * 10).tolist()
    assert subset.targets.tolist() == (places % 2).tolist()
    assert subset.distribution.argmax(axis=1).tolist() == (places % 2).tolist()
    assert subset.leaked.tolist() == (places % 2 == 1).tolist()


def test_subset_keeps_the_name_unless_given_another() -> None:
    assert some_faces().subset(np.array([0])).name == "made up"


def test_an_empty_subset_is_an_error() -> None:
    with pytest.raises(DataError, match="no usable image"):
        some_faces().subset(np.zeros(4, dtype=bool))


def test_one_hot() -> None:
    encoded = one_hot(np.array([2, 0]), 3)
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_data_root_is_the_variable_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_DATA", str(tmp_path))
    assert data_root() == tmp_path


def test_data_root_refuses_a_variable_that_names_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"FER_DATA names .*nowhere, which is not a folder"):
        data_root()


def test_data_root_without_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FER_DATA", raising=False)
    here = tmp_path / "project"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(DataError, match="no FER data: set FER_DATA"):
        data_root()
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert data_root().resolve() == (tmp_path / "shared" / "data").resolve()
