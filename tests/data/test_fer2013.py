from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.data.faces import Faces
from fer_deploy.data.fer2013 import FER2013_5_LABELS, FER2013_LABELS, FILE_NAME, SPLITS, Split, load_fer2013
from fer_deploy.data.ferplus import FERPLUS_LABELS
from fer_deploy.data.preprocess import face_pixels
from fer_deploy.errors import DataError
from fixtures.fer_sources import votes

WriteNpz = Callable[..., Path]

GREY = InputSpec(height=48, width=48, color="grey", mean=(128.0,), std=(64.0,))
RGB = InputSpec(height=32, width=40, color="rgb", mean=(0.0,) * 3, std=(1.0,) * 3)


def test_each_split_has_its_rows_and_labels(tmp_path: Path, write_npz: WriteNpz) -> None:
    path = write_npz(tmp_path / FILE_NAME)
    images = np.load(path)["images"]
    for number, split in enumerate(SPLITS):
        rows = np.arange(10) + number * 10
        plus, plain = (load_fer2013(split, GREY, labels, path) for labels in ("ferplus", "fer2013"))
        assert plus.rows.tolist() == plain.rows.tolist() == rows.tolist()
        assert plus.targets.tolist() == (rows % 8).tolist()
        assert plain.targets.tolist() == (rows % 7).tolist()
        assert np.array_equal(plus.pixels[:, 0], images[rows])
        assert (plus.labels, plain.labels) == (FERPLUS_LABELS, FER2013_LABELS)
        assert (plus.name, plain.name) == (f"FER+ {split}", f"FER2013 {split}")
        assert not plus.leaked.any()


def test_default_path_is_the_variable_s(
    tmp_path: Path, write_npz: WriteNpz, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_npz(tmp_path / FILE_NAME)
    monkeypatch.setenv("FER_DATA", str(tmp_path))
    assert len(load_fer2013("PublicTest", GREY)) == 10


@pytest.mark.parametrize("spec", [GREY, RGB], ids=["as stored", "resized"])
def test_pixels_are_plain_arrays_of_the_spec_s_shape(
    tmp_path: Path, write_npz: WriteNpz, spec: InputSpec
) -> None:
    path = write_npz(tmp_path / FILE_NAME)
    faces = load_fer2013("Training", spec, path=path)
    channels, height, width = spec.shape[1:]
    assert faces.pixels.dtype == np.uint8
    assert faces.pixels.shape == (10, channels, height, width)
    assert faces.pixels.strides == (channels * height * width, height * width, width, 1)
    assert faces.pixels.flags.writeable
    first = Image.fromarray(np.load(path)["images"][0])
    assert np.array_equal(faces.pixels[0], face_pixels(first, spec))


def test_twins_leave_the_training_split_and_are_marked_in_the_others(
    tmp_path: Path, write_npz: WriteNpz
) -> None:
    images = np.random.default_rng(1).integers(0, 256, (30, 48, 48), dtype=np.uint8)
    images[[3, 14, 27]] = images[3]  # one in each split
    images[[5, 6]] = images[5]  # both for training: no leak
    images[[11, 21]] = images[11]  # across the two test splits: not seen in training
    path = write_npz(tmp_path / FILE_NAME, images=images)
    training, public, private = (load_fer2013(split, GREY, path=path) for split in SPLITS)
    assert training.rows.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert not training.leaked.any()
    assert public.rows[public.leaked].tolist() == [14]
    assert private.rows[private.leaked].tolist() == [27]


def test_ferplus_leaves_out_what_is_no_emotion(tmp_path: Path, write_npz: WriteNpz) -> None:
    table = np.repeat(votes(fear=10), 30, axis=0)
    table[2], table[4], table[6] = votes(unknown=10), votes(nf=10), -1
    path = write_npz(tmp_path / FILE_NAME, ferplus_votes=table)
    assert load_fer2013("Training", GREY, "ferplus", path).rows.tolist() == [0, 1, 3, 5, 7, 8, 9]
    assert len(load_fer2013("Training", GREY, "fer2013", path)) == 10


def test_an_unknown_split_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown split 'train' of FER2013; known: Training, PublicTest"):
        load_fer2013("train", GREY, path=tmp_path)  # type: ignore[arg-type]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"x\.npz does not exist; make it with 'fer-deploy data import', or set"
    ):
        load_fer2013("Training", GREY, path=tmp_path / "x.npz")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_an_error(tmp_path: Path, write_npz: WriteNpz, kept: float) -> None:
    path = write_npz(tmp_path / FILE_NAME)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(kept * len(raw))])
    with pytest.raises(DataError, match=r"48\.npz cannot be read as an npz file: .*; copy fer2013"):
        load_fer2013("Training", GREY, path=path)


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
def test_a_flipped_byte_never_passes_for_something_else(
    tmp_path_factory: pytest.TempPathFactory, place: float, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    rows = 6
    np.savez(
        path,
        images=np.arange(rows * 48 * 48, dtype=np.uint32).astype(np.uint8).reshape(rows, 48, 48),
        emotion=np.zeros(rows, np.uint8),
        usage=np.array(["Training"] * rows),
        ferplus_votes=np.repeat(votes(fear=10), rows, axis=0),
    )
    want = load_fer2013("Training", GREY, path=path)
    raw = bytearray(path.read_bytes())
    raw[int(place * len(raw))] ^= value
    path.write_bytes(raw)
    try:
        faces = load_fer2013("Training", GREY, path=path)
    except DataError:
        return
    assert np.array_equal(faces.pixels, want.pixels)
    assert np.array_equal(faces.targets, want.targets)


def test_a_lone_array_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / FILE_NAME).open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(DataError, match="cannot be read as an npz file"):
        load_fer2013("Training", GREY, path=tmp_path / FILE_NAME)


def test_another_archive_is_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"lacks the array\(s\) images, emotion, usage, ferplus_votes; is it"):
        load_fer2013("Training", GREY, path=tmp_path / "other.npz")


@pytest.mark.parametrize("key", ["images", "emotion", "usage", "ferplus_votes"])
def test_a_missing_key_is_named(tmp_path: Path, write_npz: WriteNpz, key: str) -> None:
    path = write_npz(tmp_path / FILE_NAME, **{key: None})
    with pytest.raises(DataError, match=rf"48\.npz lacks the array\(s\) {key}; is it {FILE_NAME}\?"):
        load_fer2013("Training", GREY, path=path)


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        (
            "images",
            np.zeros((30, 47, 48), np.uint8),
            r"shape \(30, 47, 48\) of uint8, expected \(30, 48, 48\)",
        ),
        ("images", np.zeros((30, 48, 48)), r"shape \(30, 48, 48\) of float64, expected .* of uint8"),
        ("images", np.uint8(3), r"shape \(\) of uint8, expected \(48, 48\) of uint8"),
        ("emotion", np.zeros(29, np.uint8), r"shape \(29,\) of uint8, expected \(30,\) of integer"),
        ("emotion", np.zeros(30), r"shape \(30,\) of float64, expected \(30,\) of integer"),
        ("usage", np.zeros(30), r"shape \(30,\) of float64, expected \(30,\) of str"),
        ("ferplus_votes", np.zeros((30, 8), np.int16), r"shape \(30, 8\) of int16, expected \(30, 10\)"),
    ],
)
def test_a_wrong_shape_or_type_is_named(
    tmp_path: Path, write_npz: WriteNpz, key: str, array: np.ndarray, message: str
) -> None:
    path = write_npz(tmp_path / FILE_NAME, **{key: array})
    with pytest.raises(DataError, match=rf"array {key} in .*48\.npz has {message}"):
        load_fer2013("Training", GREY, path=path)


def test_an_unknown_emotion_is_an_error(tmp_path: Path, write_npz: WriteNpz) -> None:
    path = write_npz(tmp_path / FILE_NAME, emotion=np.full(30, 7, np.uint8))
    with pytest.raises(DataError, match=r"array emotion in .* holds values other than 0 to 6"):
        load_fer2013("Training", GREY, "fer2013", path)


def test_an_empty_split_is_an_error(tmp_path: Path, write_npz: WriteNpz) -> None:
    path = write_npz(tmp_path / FILE_NAME, usage=np.repeat(["Training"], 30))
    with pytest.raises(DataError, match=r"FER\+ PublicTest holds no usable image"):
        load_fer2013("PublicTest", GREY, path=path)


Real = dict[tuple[str, Split], Faces]


@pytest.fixture(scope="module")
def real(fer_data: Path) -> Real:
    path = fer_data / FILE_NAME
    return {(kind, split): load_fer2013(split, GREY, kind, path) for kind in KINDS for split in SPLITS}


KINDS: tuple[Literal["ferplus", "fer2013"], ...] = ("ferplus", "fer2013")


def test_real_class_counts(fer_data: Path, real: Real) -> None:
    with np.load(fer_data / FILE_NAME) as archive:
        training = archive["emotion"][archive["usage"] == "Training"]
    assert np.bincount(training).tolist() == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    public, private = real["fer2013", "PublicTest"], real["fer2013", "PrivateTest"]
    assert np.bincount(public.targets).tolist() == [467, 56, 496, 895, 653, 415, 607]
    assert np.bincount(private.targets).tolist() == [491, 55, 528, 879, 594, 416, 626]


def test_real_sizes(real: Real) -> None:
    # 703 of the 28,709 training images are twins of test images, 688 of them with a majority among the eight.
    assert [len(real["fer2013", split]) for split in SPLITS] == [28006, 3589, 3589]
    assert [len(real["ferplus", split]) for split in SPLITS] == [27697, 3553, 3546]


def test_real_leaks(real: Real) -> None:
    assert [int(real["fer2013", split].leaked.sum()) for split in SPLITS] == [0, 280, 288]
    assert [int(real["ferplus", split].leaked.sum()) for split in SPLITS] == [0, 277, 287]


@pytest.mark.parametrize("kind", KINDS)
def test_no_real_training_image_is_a_test_image(real: Real, kind: str) -> None:
    training = {image.tobytes() for image in real[kind, "Training"].pixels}
    for split in ("PublicTest", "PrivateTest"):
        # Against the whole test split, with the images that FER+ leaves out.
        assert training.isdisjoint(image.tobytes() for image in real["fer2013", split].pixels)


def test_real_distributions_agree_with_the_majority(real: Real) -> None:
    for split in SPLITS:
        faces = real["ferplus", split]
        assert np.abs(faces.distribution.sum(axis=1) - 1).max() < 1e-6
        assert np.array_equal(faces.distribution.argmax(axis=1), faces.targets)


@pytest.mark.usefixtures("fer_data")
def test_agreed_travels_with_the_faces() -> None:
    faces = load_fer2013("PublicTest", GREY)
    assert faces.agreed is not None
    assert 0.85 < faces.agreed.mean() < 0.95
    assert faces.subset(faces.agreed).agreed is not None
    assert load_fer2013("PublicTest", GREY, "fer2013").agreed is None


def test_five_classes_are_the_seven_without_fear_and_disgust(real: Real) -> None:
    seven = real["fer2013", "PrivateTest"]
    five = load_fer2013("PrivateTest", GREY, "fer2013_5")
    assert five.labels == FER2013_5_LABELS == ("angry", "happy", "sad", "surprise", "neutral")
    assert (five.name, len(five)) == ("FER2013 PrivateTest (5 classes)", 3006)
    assert five.passed_over == {"of another class": 3589 - 3006}
    names = {row: seven.labels[target] for row, target in zip(seven.rows, seven.targets, strict=True)}
    assert [five.labels[target] for target in five.targets] == [names[row] for row in five.rows]
