"""Every image is accounted for: repeated, under two labels, in training too; and what it is called plays no part."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.data.account import account_of, faces_digest
from fer_deploy.data.fer2013 import FILE_NAME
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.frozen import Unknown
from fer_deploy.measure.measurement import Provenance
from fer_deploy.measure.parity import accuracy_figures
from fer_deploy.pipeline.summaries import dataset_summary

SPEC = InputSpec(height=20, width=20, color="grey", mean=(128.0,), std=(64.0,))
LABELS = ("a", "b")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Test images 1 1 2 under a and 1 3 under b; training images 3 and 4 under a, 5 under b."""
    for name, grey in {
        "test/a/1.png": 1, "test/a/1 copy.bmp": 1, "test/a/2.png": 2, "test/b/1.png": 1, "test/b/3.png": 3,
        "train/a/3.png": 3, "train/a/4.png": 4, "train/b/5.png": 5, "train/b/6.png": 6,
    }.items():  # fmt: skip
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), grey).save(path)
    return tmp_path / "own"


def test_of_a_folder(folder: Path) -> None:
    (folder / "test" / "a" / "notes.txt").write_text("")
    faces = open_dataset(DatasetSpec(kind="folder", path=folder), "test", LABELS, SPEC)
    account = account_of(faces)
    assert account.model_dump() == {
        "images": 5,
        "passed_over": {"named .txt": 1},
        "repeated": 2,
        "two_labels": 3,
        "in_training": 1,
    }
    assert account.sentence == (
        "5 images read; passed over: 1 named .txt; 2 repeat an earlier one, 3 under two labels, "
        "1 in the training split too"
    )
    assert faces.leaked.sum() == 1
    assert dataset_summary(faces).leaked == 1


def test_without_its_training_split_nobody_knows(folder: Path) -> None:
    shutil.rmtree(folder / "train")
    faces = open_dataset(DatasetSpec(kind="folder", path=folder), "test", LABELS, SPEC)
    account = account_of(faces)
    assert isinstance(account.in_training, Unknown)
    assert "train does not exist" in account.in_training.reason
    assert "whether any is in the training split is not known: image folder " in account.sentence
    assert dataset_summary(faces).leaked is None
    logits = (faces.targets[:, None] == range(2)).astype("float32")
    figure = accuracy_figures(logits, faces).accuracy_without_leaked
    assert figure.provenance is Provenance.NOT_MEASURED
    assert "train does not exist" in (figure.reason or "")


def test_held_out_images_are_held_to_the_rest(folder: Path) -> None:
    spec = DatasetSpec(kind="folder", path=folder)
    shutil.copy(folder / "train" / "a" / "3.png", folder / "train" / "a" / "4.png")
    held_out = account_of(open_dataset(spec, "validation", LABELS, SPEC))
    assert (held_out.in_training, held_out.passed_over) == (1, {"left for training": 2})
    rest = account_of(open_dataset(spec, "train", LABELS, SPEC))
    assert (rest.in_training, rest.passed_over) == (0, {"held out for validation": 2})


def test_the_digest_knows_no_path_and_no_training_split(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "elsewhere" / "name"))
    shutil.rmtree(other / "train")
    first, second = (
        open_dataset(DatasetSpec(kind="folder", path=path), "test", LABELS, SPEC) for path in (folder, other)
    )
    assert first.name != second.name
    assert faces_digest(first) == faces_digest(second)
    Image.new("L", (20, 20), 99).save(other / "test" / "a" / "2.png")
    changed = open_dataset(DatasetSpec(kind="folder", path=other), "test", LABELS, SPEC)
    assert faces_digest(changed) != faces_digest(second)


def test_of_rafdb(tmp_path: Path, write_rafdb: Callable[[Path, Sequence[tuple[str, int]]], Path]) -> None:
    names = [("train_1.jpg", 1), ("train_2.jpg", 4), ("test_1.jpg", 1), ("test_2.jpg", 2), ("test_3.jpg", 4)]
    root = write_rafdb(tmp_path / "raf", names)
    aligned = root / "Image" / "aligned"
    shutil.copy(aligned / "train_2_aligned.jpg", aligned / "test_3_aligned.jpg")
    faces = open_dataset(DatasetSpec(kind="rafdb5", path=root), "test", None, SPEC)
    assert account_of(faces).model_dump() == {
        "images": 2,
        "passed_over": {"of fear": 1},
        "repeated": 0,
        "two_labels": 0,
        "in_training": 1,
    }


def test_of_ferplus(tmp_path: Path, write_npz: Callable[..., Path]) -> None:
    import numpy as np

    votes = np.zeros((30, 10), dtype=np.int16)
    votes[np.arange(30), np.arange(30) % 8] = 10
    votes[20] = 0
    votes[21] = [0] * 8 + [9, 1]
    write_npz(tmp_path / FILE_NAME, ferplus_votes=votes)
    faces = open_dataset(DatasetSpec(path=tmp_path), "test", None, SPEC)
    account = account_of(faces)
    assert account.images == 8
    assert account.passed_over == {"voted unknown or no face, or without votes": 2}
    assert account.in_training == 0
