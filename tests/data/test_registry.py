from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fer_deploy.contract import InputSpec
from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.data.fer2013 import FER2013_LABELS, FILE_NAME
from fer_deploy.data.ferplus import FERPLUS_LABELS
from fer_deploy.data.rafdb import RAFDB5_LABELS, RAFDB_LABELS
from fer_deploy.data.registry import DatasetSpec, Role, held_out, labels_of, open_dataset
from fer_deploy.errors import DataError
from fer_deploy.train.recipe import TrainRecipe

SPEC = InputSpec(height=16, width=16, color="grey", mean=(128.0,), std=(64.0,))
ROLES: tuple[Role, ...] = get_args(Role)

RAF_ENTRIES = [
    *((f"train_{number:05}.jpg", 1 + number % 7) for number in range(140)),
    *((f"test_{number:04}.jpg", 1 + number % 7) for number in range(14)),
]


@pytest.fixture
def rafdb(tmp_path: Path, write_rafdb: Callable[[Path, Sequence[tuple[str, int]]], Path]) -> Path:
    return write_rafdb(tmp_path / "raf", RAF_ENTRIES)


@pytest.fixture
def folder(tmp_path: Path, write_folder: Callable[[Path, Mapping[str, int]], Path]) -> Path:
    for role, count in (("train", 20), ("validation", 3), ("test", 2)):
        write_folder(tmp_path / "own" / role, {"b": count, "a": count})
    return tmp_path / "own"


def of_targets(targets: Sequence[int], classes: int = 3, first_row: int = 0) -> Faces:
    array = np.array(targets, dtype=np.int64)
    return Faces(
        name="made up",
        labels=tuple("abcdefg"[:classes]),
        pixels=np.zeros((len(array), 1, 16, 16), np.uint8),
        targets=array,
        distribution=one_hot(array, classes),
        rows=np.arange(len(array), dtype=np.int64) + first_row,
        leaked=np.zeros(len(array), dtype=bool),
    )


def test_the_spec_s_json_is_what_checkpoints_carry() -> None:
    assert DatasetSpec().model_dump_json() == '{"kind":"ferplus","path":null,"protocol":null}'
    recipe = TrainRecipe.model_validate({"architecture": {"name": "fer_s"}, "input": SPEC.model_dump()})
    assert ',"data":{"kind":"ferplus","path":null,"protocol":null},"augment":' in recipe.model_dump_json()


@pytest.mark.parametrize("wrong", [{"kind": "affectnet"}, {"root": "x"}])
def test_the_spec_refuses_what_it_does_not_know(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        DatasetSpec.model_validate(wrong)


def test_labels_of(folder: Path) -> None:
    assert labels_of(DatasetSpec()) == FERPLUS_LABELS
    assert labels_of(DatasetSpec(kind="fer2013")) == FER2013_LABELS
    assert labels_of(DatasetSpec(kind="rafdb")) == RAFDB_LABELS
    assert labels_of(DatasetSpec(kind="rafdb5")) == RAFDB5_LABELS
    assert labels_of(DatasetSpec(kind="folder", path=folder)) == ("a", "b")


@pytest.mark.parametrize("kind", ["ferplus", "fer2013"])
@pytest.mark.parametrize("as_folder", [False, True])
def test_fer_roles(tmp_path: Path, write_npz: Callable[..., Path], kind: str, as_folder: bool) -> None:
    path = write_npz(tmp_path / FILE_NAME)
    spec = DatasetSpec.model_validate({"kind": kind, "path": tmp_path if as_folder else path})
    for role, start, split in zip(ROLES, (0, 10, 20), ("Training", "PublicTest", "PrivateTest"), strict=True):
        faces = open_dataset(spec, role, labels_of(spec), SPEC)
        assert faces.rows.tolist() == list(range(start, start + 10))
        assert faces.name.endswith(split)
        assert faces.labels == labels_of(spec)


def test_fer_without_a_path_is_the_variable_s(
    tmp_path: Path, write_npz: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_npz(tmp_path / FILE_NAME)
    monkeypatch.setenv("FER_DATA", str(tmp_path))
    assert len(open_dataset(DatasetSpec(), "test", None, SPEC)) == 10


def test_rafdb_holds_a_tenth_of_each_class_out(rafdb: Path) -> None:
    spec = DatasetSpec(kind="rafdb", path=rafdb)
    train, validation, test = (open_dataset(spec, role, RAFDB_LABELS, SPEC) for role in ROLES)
    assert np.bincount(train.targets).tolist() == [18] * 7
    assert np.bincount(validation.targets).tolist() == [2] * 7
    assert sorted([*train.rows, *validation.rows]) == list(range(140))
    assert test.rows.tolist() == list(range(140, 154))
    assert (train.name, validation.name, test.name) == (
        "RAF-DB train without the held-out tenth", "RAF-DB train, held-out tenth", "RAF-DB test",
    )  # fmt: skip


def test_rafdb_s_five_classes_hold_the_same_images_out(rafdb: Path) -> None:
    seven = open_dataset(DatasetSpec(kind="rafdb", path=rafdb), "validation", None, SPEC)
    five = open_dataset(DatasetSpec(kind="rafdb5", path=rafdb), "validation", RAFDB5_LABELS, SPEC)
    kept = [seven.labels[target] in RAFDB5_LABELS for target in seven.targets]
    assert five.rows.tolist() == seven.rows[kept].tolist()


def test_which_images_are_held_out_never_changes() -> None:
    # Validation figures of RAF-DB and of own folders are comparable only while this stays.
    assert np.flatnonzero(held_out(of_targets([0] * 30))).tolist() == [15, 20, 25]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=120), st.integers(0, 1000))
def test_the_hold_out_is_stratified(targets: list[int], first_row: int) -> None:
    faces = of_targets(targets, first_row=first_row)
    mask = held_out(faces)
    assert np.array_equal(mask, held_out(faces))
    for target in range(3):
        members = targets.count(target)
        out = int(mask[faces.targets == target].sum())
        if members < 2:
            assert out == 0
        else:
            assert out == max(1, (members + 5) // 10)
            assert out < members


def test_a_folder_with_a_validation_folder(folder: Path) -> None:
    spec = DatasetSpec(kind="folder", path=folder)
    sizes = {role: len(open_dataset(spec, role, None, SPEC)) for role in ROLES}
    assert sizes == {"train": 40, "validation": 6, "test": 4}


def test_a_folder_without_a_validation_folder(folder: Path) -> None:
    shutil.rmtree(folder / "validation")
    spec = DatasetSpec(kind="folder", path=folder)
    train, validation, test = (open_dataset(spec, role, None, SPEC) for role in ROLES)
    assert (len(train), len(validation), len(test)) == (36, 4, 4)
    assert np.bincount(validation.targets).tolist() == [2, 2]
    assert sorted([*train.rows, *validation.rows]) == list(range(40))


def test_a_folder_s_classes_take_the_contract_s_order(folder: Path) -> None:
    spec = DatasetSpec(kind="folder", path=folder)
    faces = open_dataset(spec, "test", ("b", "a"), SPEC)
    assert faces.labels == ("b", "a")
    assert faces.targets.tolist() == [1, 1, 0, 0]
    assert open_dataset(spec, "test", None, SPEC).targets.tolist() == [0, 0, 1, 1]


def test_a_folder_of_the_test_split_alone_suffices_for_a_model(folder: Path) -> None:
    shutil.rmtree(folder / "train")
    spec = DatasetSpec(kind="folder", path=folder)
    assert len(open_dataset(spec, "test", ("a", "b"), SPEC)) == 4
    with pytest.raises(DataError, match=r"own/train does not exist"):
        open_dataset(spec, "test", None, SPEC)


def test_a_folder_with_too_few_images_to_hold_any_out(
    tmp_path: Path, write_folder: Callable[[Path, Mapping[str, int]], Path]
) -> None:
    write_folder(tmp_path / "own" / "train", {"a": 1, "b": 1})
    spec = DatasetSpec(kind="folder", path=tmp_path / "own")
    with pytest.raises(DataError, match=r"own/train has no class with two images, .*; add images"):
        open_dataset(spec, "train", None, SPEC)


def test_other_labels_than_the_contract_s_are_refused(folder: Path) -> None:
    message = r"'fer2013' has the labels \['angry', .*'neutral'\] but the contract has \['a', 'b'\]; choose"
    with pytest.raises(DataError, match=message):
        open_dataset(DatasetSpec(kind="fer2013"), "test", ("a", "b"), SPEC)
    message = r"own/test, \['a', 'b'\], are not the labels \['a', 'c'\]: no folder for c; no label for b"
    with pytest.raises(DataError, match=message):
        open_dataset(DatasetSpec(kind="folder", path=folder), "test", ("a", "c"), SPEC)


@pytest.mark.parametrize("kind", ["ferplus", "fer2013", "fer2013_5", "rafdb", "rafdb5"])
def test_the_same_labels_in_another_order_are_refused(kind: str) -> None:
    spec = DatasetSpec.model_validate({"kind": kind})
    shuffled = tuple(reversed(labels_of(spec)))
    with pytest.raises(DataError) as caught:
        open_dataset(spec, "test", shuffled, SPEC)
    assert str(list(shuffled)) in str(caught.value)
    assert str(list(labels_of(spec))) in str(caught.value)


@pytest.mark.parametrize("kind", ["rafdb", "rafdb5", "folder"])
@pytest.mark.parametrize("role", ROLES)
def test_a_dataset_of_the_user_s_needs_a_path(kind: str, role: Role) -> None:
    with pytest.raises(DataError, match=f"dataset '{kind}' needs a path; set it to the folder"):
        open_dataset(DatasetSpec.model_validate({"kind": kind}), role, None, SPEC)
