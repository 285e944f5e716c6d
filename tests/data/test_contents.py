"""What a whole data set holds, split by split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fer_deploy.data.contents import ROLES, SplitContents, contents_of
from fer_deploy.data.fer2013 import FILE_NAME
from fer_deploy.data.ferplus import FERPLUS_LABELS
from fer_deploy.data.registry import DatasetSpec
from fer_deploy.frozen import Unknown


def test_every_split_of_ferplus(tmp_path: Path, write_npz: Callable[..., Path]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 48, 48), dtype=np.uint8)
    images[[1, 10]] = images[0]
    write_npz(tmp_path / FILE_NAME, images=images)
    contents = contents_of(DatasetSpec(path=tmp_path))
    assert contents.problems == []
    train, validation, test = (contents.splits[role] for role in ROLES)
    assert isinstance(train, SplitContents)
    assert isinstance(validation, SplitContents)
    assert isinstance(test, SplitContents)
    assert train.account.passed_over == {"also in a test split": 2}
    assert (train.name, validation.name, test.name) == (
        "FER+ Training",
        "FER+ PublicTest",
        "FER+ PrivateTest",
    )
    assert validation.account.in_training == 1
    assert test.account.in_training == 0
    assert tuple(test.classes) == FERPLUS_LABELS
    assert sum(test.classes.values()) == test.account.images == 10


def test_a_split_that_is_not_there_has_its_reason(
    tmp_path: Path, write_folder: Callable[[Path, dict[str, int]], Path]
) -> None:
    write_folder(tmp_path / "own" / "train", {"a": 4, "b": 20})
    contents = contents_of(DatasetSpec(kind="folder", path=tmp_path / "own"))
    test = contents.splits["test"]
    assert isinstance(test, Unknown)
    assert contents.problems == [test.reason]
    train, validation = contents.splits["train"], contents.splits["validation"]
    assert isinstance(train, SplitContents)
    assert isinstance(validation, SplitContents)
    assert train.classes == {"a": 3, "b": 18}
    assert validation.classes == {"a": 1, "b": 2}


def test_one_reason_for_all_splits_is_one_problem(tmp_path: Path) -> None:
    contents = contents_of(DatasetSpec(kind="fer2013", path=tmp_path))
    assert len(contents.problems) == 1
    assert "make it with 'fer-deploy data import'" in contents.problems[0]


def test_rafdb(tmp_path: Path, write_rafdb: Callable[[Path, Sequence[tuple[str, int]]], Path]) -> None:
    names = [(f"train_{number:05}.jpg", 1 + number % 7) for number in range(28)] + [("test_0001.jpg", 4)]
    root = write_rafdb(tmp_path / "raf", names)
    for kind, classes in (("rafdb", 7), ("rafdb5", 5)):
        contents = contents_of(DatasetSpec.model_validate({"kind": kind, "path": root}))
        train = contents.splits["train"]
        assert isinstance(train, SplitContents)
        assert train.classes == dict.fromkeys(train.classes, 3)
        assert len(train.classes) == classes
