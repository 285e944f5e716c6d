"""Folders of FER2013: which split an image is of, and what is said where nobody knows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_deploy.data.imports.layout import read_layout
from fer_deploy.errors import DataError
from fixtures.fer_sources import layout_names, random_rows, write_layout

ROWS = random_rows(21)
NAMES = layout_names(ROWS, "png", named=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_layout(tmp_path / "fer", ROWS, NAMES)


def test_merged_tests_become_private_and_it_is_said(root: Path) -> None:
    rows = read_layout(root)
    order = np.argsort(NAMES)
    expected = np.where(ROWS.usage == "Training", "Training", "PrivateTest")[order]
    assert rows.usage.tolist() == expected.tolist()
    assert rows.merged
    (note,) = rows.notes
    assert note.startswith(f"the split of 14 images of 'test' in {root} cannot be known: PublicTest and")
    assert f"'--dataset folder --data {root}'" in note


def test_a_validation_folder_makes_test_the_private_one(root: Path) -> None:
    shutil.copytree(root / "test" / "happy", root / "Validation" / "Happiness")
    rows = read_layout(root)
    assert not rows.merged
    public = [name for name, usage in zip(rows.name, rows.usage, strict=True) if usage == "PublicTest"]
    assert public
    assert all(name.startswith("Validation/Happiness/") for name in public)


def test_other_words_for_classes_and_splits(root: Path) -> None:
    (root / "train").rename(root / "Training")
    for label, word in {"angry": "Anger", "happy": "happiness", "sad": "SADNESS"}.items():
        (root / "Training" / label).rename(root / "Training" / word)
    assert sorted(read_layout(root).emotion.tolist()) == sorted(ROWS.emotion.tolist())


def test_names_that_contradict_their_folder(root: Path) -> None:
    file = root / NAMES[0]
    assert NAMES[0].startswith("train/")
    file.rename(file.with_name("PublicTest_1.png"))
    with pytest.raises(
        DataError, match=r"PublicTest_1\.png is of 'train' but is named after PublicTest; put"
    ):
        read_layout(root)
    file.with_name("PublicTest_1.png").unlink()
    file = root / NAMES[1]
    file.rename(file.with_name("Training_1.png"))
    with pytest.raises(DataError, match=r"Training_1\.png is of 'test' but is named after Training"):
        read_layout(root)


def test_what_else_is_there_is_counted(root: Path) -> None:
    (root / "readme.txt").write_text("")
    (root / "other").mkdir()
    (root / "train" / "stray.png").write_bytes(b"")
    (root / "train" / "happy" / "notes.txt").write_text("")
    notes = read_layout(root).notes[1:]
    assert notes == (
        "passed over: 1 beside the class folders",
        "passed over: 1 folder other",
        "passed over: 1 named .txt",
    )


def test_colour_images_of_grey_are_the_same(root: Path) -> None:
    before = read_layout(root)
    for name in NAMES:
        with Image.open(root / name) as image:
            image.convert("RGB").save(root / name)
    assert np.array_equal(read_layout(root).images, before.images)


def _without_splits(root: Path) -> None:
    for name in ("train", "test"):
        (root / name).rename(root / f"{name} of mine")


def _without_images(root: Path) -> None:
    for name in NAMES:
        (root / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "train" / "contempt").mkdir(), "contempt names no class of FER2013; known: angry"),
        (lambda root: Image.new("L", (50, 48)).save(root / NAMES[0]), r"is 50x48 pixels and FER2013's images"),
        (lambda root: (root / NAMES[0]).write_bytes(b"\x89PNG\r\n\x1a\n"), "is not an image that can be decoded"),
        (lambda root: Image.new("I;16", (48, 48)).save(root / NAMES[0]), "more than 8 bits"),
        (_without_images, "hold no image; unpack"),
        (_without_splits, "has no folder 'train' or 'test'; give the folder that holds them"),
    ],
)  # fmt: skip
def test_malformed(root: Path, spoil: Callable[[Path], object], message: str) -> None:
    spoil(root)
    with pytest.raises(DataError, match=message):
        read_layout(root)
