from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_deploy.data.pictures import as_picture
from fer_deploy.errors import ArgumentError, DataError


def test_every_form_of_a_picture_is_the_same(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    path = tmp_path / "face.png"
    Image.fromarray(pixels).save(path)
    with Image.open(path) as opened:
        assert np.array_equal(np.asarray(as_picture(opened)), pixels)
    for given in (path, str(path), pixels, pixels[:, ::-1][:, ::-1]):
        assert np.array_equal(np.asarray(as_picture(given)), pixels)
    assert as_picture(pixels[..., 0]).mode == "L"


def test_a_photo_stands_upright_however_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(path, exif=exif)
    with Image.open(path) as opened:
        assert as_picture(path).size == as_picture(opened).size == (4, 8)


@pytest.mark.parametrize(
    "given",
    [
        3,
        None,
        b"face.png",
        [[0, 1]],
        np.zeros((4, 4), dtype=np.float32),
        np.zeros((3, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((0, 4), dtype=np.uint8),
    ],
)
def test_anything_else_is_refused_in_one_sentence(given: object) -> None:
    with pytest.raises(ArgumentError, match=r"^an? ?image is|^image is") as caught:
        as_picture(given)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    Image.new("L", (64, 64), 3).save(path)
    path.write_bytes(path.read_bytes()[:60])
    with Image.open(path) as opened, pytest.raises(DataError, match="decoded"):
        as_picture(opened)
    with pytest.raises(DataError, match=r"face\.png"):
        as_picture(str(path))
