from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.data.preprocess import face_pixels, read_image
from fer_deploy.data.rafdb import OFFICIAL_COUNTS, RAFDB5_LABELS, RAFDB_LABELS, load_rafdb
from fer_deploy.errors import DataError

WriteRafdb = Callable[[Path, Sequence[tuple[str, int]]], Path]

RGB = InputSpec(height=100, width=100, color="rgb", mean=(128.0,) * 3, std=(64.0,) * 3)
GREY = InputSpec(height=48, width=48, color="grey", mean=(128.0,), std=(64.0,))

#: All seven labels in each split, the splits mixed; names as in the release (five digits, four digits).
ENTRIES = [
    *((f"train_{number:05}.jpg", label) for number, label in enumerate((5, 1, 2, 3, 4, 6, 7), start=1)),
    *((f"test_{number:04}.jpg", label) for number, label in enumerate((7, 6, 5, 4, 3, 2, 1), start=1)),
    ("train_00008.jpg", 1),
]


def list_of(root: Path) -> Path:
    return root / "EmoLabel" / "list_patition_label.txt"


def test_official_counts_add_up() -> None:
    assert {split: sum(counts) for split, counts in OFFICIAL_COUNTS.items()} == {"train": 12271, "test": 3068}
    assert all(len(counts) == len(RAFDB_LABELS) for counts in OFFICIAL_COUNTS.values())


def test_seven_classes(tmp_path: Path, write_rafdb: WriteRafdb) -> None:
    root = write_rafdb(tmp_path / "raf", ENTRIES)
    train, test = load_rafdb(root, "train", RGB), load_rafdb(root, "test", RGB)
    assert train.labels == ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
    assert train.rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 14]
    assert train.targets.tolist() == [4, 0, 1, 2, 3, 5, 6, 0]
    assert test.rows.tolist() == [7, 8, 9, 10, 11, 12, 13]
    assert test.targets.tolist() == [6, 5, 4, 3, 2, 1, 0]
    assert (train.name, test.name) == ("RAF-DB train", "RAF-DB test")


def test_five_classes_leave_fear_and_disgust_out(tmp_path: Path, write_rafdb: WriteRafdb) -> None:
    root = write_rafdb(tmp_path / "raf", ENTRIES)
    faces = load_rafdb(root, "train", RGB, classes=5)
    assert faces.labels == RAFDB5_LABELS == ("surprise", "happiness", "sadness", "anger", "neutral")
    assert faces.rows.tolist() == [0, 1, 4, 5, 6, 14]
    assert [faces.labels[target] for target in faces.targets] == [
        "sadness", "surprise", "happiness", "anger", "neutral", "surprise",
    ]  # fmt: skip
    assert faces.name == "RAF-DB (5 classes) train"


@pytest.mark.parametrize("spec", [RGB, GREY], ids=["as stored", "resized"])
def test_each_row_has_its_own_image(tmp_path: Path, write_rafdb: WriteRafdb, spec: InputSpec) -> None:
    root = write_rafdb(tmp_path / "raf", ENTRIES)
    faces = load_rafdb(root, "train", spec)
    assert faces.pixels.dtype == np.uint8
    assert faces.pixels.shape == (8, *spec.shape[1:])
    assert faces.pixels.flags.c_contiguous
    assert 0 not in faces.pixels.strides
    for pixels, row in zip(faces.pixels, faces.rows, strict=True):
        assert (pixels == row).all()  # write_rafdb paints image n of the grey n
    assert np.array_equal(faces.distribution.argmax(axis=1), faces.targets)
    assert (faces.distribution.sum(axis=1) == 1).all()
    assert faces.leaked.dtype == bool
    assert not faces.leaked.any()


def test_pixels_are_those_of_the_reference_preprocessing(tmp_path: Path, write_rafdb: WriteRafdb) -> None:
    root = write_rafdb(tmp_path / "raf", [("test_0001.jpg", 4)])
    file = root / "Image" / "aligned" / "test_0001_aligned.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    assert np.array_equal(load_rafdb(root, "test", GREY).pixels[0], face_pixels(read_image(file), GREY))


def test_blank_lines_and_windows_line_ends_are_passed_over(tmp_path: Path, write_rafdb: WriteRafdb) -> None:
    root = write_rafdb(tmp_path / "raf", [("train_00001.jpg", 1), ("train_00002.jpg", 2)])
    list_of(root).write_bytes(b"train_00001.jpg 1\r\n\r\ntrain_00002.jpg\t2 \r\n")
    assert load_rafdb(root, "train", GREY).rows.tolist() == [0, 2]


def test_images_of_the_other_split_need_not_be_there(tmp_path: Path, write_rafdb: WriteRafdb) -> None:
    root = write_rafdb(tmp_path / "raf", ENTRIES)
    for file in (root / "Image" / "aligned").glob("train_*"):
        file.unlink()
    assert len(load_rafdb(root, "test", GREY)) == 7


def test_a_missing_list_is_an_error(tmp_path: Path) -> None:
    message = r"label list .*list_patition_label\.txt does not exist; give the folder that holds EmoLabel and"
    with pytest.raises(DataError, match=message):
        load_rafdb(tmp_path, "train", GREY)


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00train", None], ids=["no text", "a folder"])
def test_an_unreadable_list_is_an_error(tmp_path: Path, raw: bytes | None) -> None:
    list_of(tmp_path).parent.mkdir()
    if raw is None:
        list_of(tmp_path).mkdir()
    else:
        list_of(tmp_path).write_bytes(raw)
    with pytest.raises(DataError, match=r"label\.txt cannot be read: .*; restore the official file"):
        load_rafdb(tmp_path, "train", GREY)


@pytest.mark.parametrize(
    "line",
    [
        "train_00002.jpg",
        "train_00002.jpg five",
        "train_00002.jpg -1",
        "train_00002.jpg 5 6",
        "5 train_00002.jpg",
        "valid_00002.jpg 5",
        "train_00002.png 5",
        "train_../../x.jpg 5",
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, write_rafdb: WriteRafdb, line: str) -> None:
    root = write_rafdb(tmp_path / "raf", [("train_00001.jpg", 1)])
    with list_of(root).open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(
        DataError, match=r"^line 2 of .*label\.txt is '.*', expected such as 'train_.*; restore"
    ):
        load_rafdb(root, "train", GREY)


@pytest.mark.parametrize("label", [0, 8, 100])
def test_an_unknown_label_is_named(tmp_path: Path, write_rafdb: WriteRafdb, label: int) -> None:
    root = write_rafdb(tmp_path / "raf", [("train_00001.jpg", 1), ("test_0001.jpg", label)])
    message = rf"^line 2 of .*label\.txt has the unknown label {label}, expected 1 to 7; restore"
    with pytest.raises(DataError, match=message):
        load_rafdb(root, "train", GREY)


def test_an_image_listed_twice_is_an_error(tmp_path: Path, write_rafdb: WriteRafdb) -> None:
    root = write_rafdb(tmp_path / "raf", [("train_00001.jpg", 1), ("train_00001.jpg", 2)])
    message = r"^line 2 of .* lists train_00001\.jpg again after line 1; remove one"
    with pytest.raises(DataError, match=message):
        load_rafdb(root, "train", GREY)


def test_missing_images_are_counted_and_the_first_is_named(tmp_path: Path, write_rafdb: WriteRafdb) -> None:
    root = write_rafdb(tmp_path / "raf", ENTRIES)
    for number in (2, 4):
        (root / "Image" / "aligned" / f"train_{number:05}_aligned.jpg").unlink()
    message = (
        r"^2 of the 8 train images of .* do not exist, first .*train_00002_aligned\.jpg; unpack the aligned"
    )
    with pytest.raises(DataError, match=message):
        load_rafdb(root, "train", GREY)


def test_an_undecodable_image_is_named(tmp_path: Path, write_rafdb: WriteRafdb) -> None:
    root = write_rafdb(tmp_path / "raf", ENTRIES)
    file = root / "Image" / "aligned" / "train_00003_aligned.jpg"
    file.write_bytes(file.read_bytes()[:300])
    message = r"train_00003_aligned\.jpg is not an image that can be decoded: .*; replace the file"
    with pytest.raises(DataError, match=message):
        load_rafdb(root, "train", GREY)


def test_a_split_without_images_is_an_error(tmp_path: Path, write_rafdb: WriteRafdb) -> None:
    root = write_rafdb(tmp_path / "raf", [("train_00001.jpg", 1), ("test_0001.jpg", 2)])
    with pytest.raises(DataError, match=r"label\.txt lists no test image of the classes surprise, happiness"):
        load_rafdb(root, "test", GREY, classes=5)
    assert len(load_rafdb(root, "test", GREY)) == 1
