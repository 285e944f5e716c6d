from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.data.preprocess import face_pixels, faces_from_files, read_image, stack_faces, widened
from fer_deploy.errors import DataError
from fixtures.synthetic import Color

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")
DEEP_MODES = ("I", "F", "I;16", "I;16B")
WHITE = {"CMYK": (0, 0, 0, 0), "YCbCr": (255, 128, 128), "HSV": (0, 0, 255), "LAB": (255, 128, 128)}


def spec_of(color: Color = "grey", height: int = 48, width: int = 48, **more: Any) -> InputSpec:
    channels = 1 if color == "grey" else 3
    return InputSpec(
        height=height, width=width, color=color, mean=(128.0,) * channels, std=(64.0,) * channels, **more
    )


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if mode == "LAB":
        return Image.frombytes("LAB", (width, height), pixels.tobytes())
    image = Image.fromarray(pixels)
    return image.convert("RGBA").convert("PA") if mode == "PA" else image.convert(mode)


def white(mode: str, width: int, height: int) -> Image.Image:
    if mode == "P":
        image = Image.new("P", (width, height), 0)
        image.putpalette([255] * 768)
        return image
    if mode == "PA":
        return Image.new("RGBA", (width, height), "white").convert("PA")
    return Image.new(mode, (width, height), WHITE.get(mode, "white"))


specs = st.builds(
    spec_of,
    color=st.sampled_from(("grey", "rgb")),
    height=st.integers(16, 70),
    width=st.integers(16, 70),
    resize=st.sampled_from(("bilinear", "bicubic")),
    crop_margin=st.floats(0, 1),
)


@given(spec=specs, mode=st.sampled_from(MODES), width=st.integers(1, 90), height=st.integers(1, 90))
def test_any_image_becomes_a_plain_array_of_the_spec_s_shape(
    spec: InputSpec, mode: str, width: int, height: int
) -> None:
    pixels = face_pixels(noise(width, height, mode), spec)
    assert pixels.dtype == np.uint8
    assert pixels.shape == spec.shape[1:]
    assert pixels.strides == (spec.height * spec.width, spec.width, 1)
    assert pixels.flags.writeable


@given(width=st.integers(16, 60), height=st.integers(16, 60), resize=st.sampled_from(("bilinear", "bicubic")))
def test_pixels_stay_as_they_are_where_the_sizes_match(width: int, height: int, resize: str) -> None:
    image = noise(width, height)
    rgb = face_pixels(image, spec_of("rgb", height, width, resize=resize))
    assert np.array_equal(rgb, np.asarray(image).transpose(2, 0, 1))
    grey = image.convert("L")
    assert np.array_equal(
        face_pixels(grey, spec_of("grey", height, width, resize=resize))[0], np.asarray(grey)
    )
    box = (0, 0, width, height)
    assert np.array_equal(face_pixels(image, spec_of("rgb", height, width, resize=resize), box), rgb)


def test_grey_is_the_documented_integer_luma() -> None:
    image = noise(64, 64)
    red, green, blue = np.asarray(image).astype(np.int64).transpose(2, 0, 1)
    luma = (19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16
    assert np.array_equal(face_pixels(image, spec_of("grey", 64, 64))[0], luma)


@given(
    mode=st.sampled_from(MODES),
    color=st.sampled_from(("grey", "rgb")),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    corner=st.tuples(st.integers(-60, 60), st.integers(-60, 60)),
    side=st.tuples(st.integers(16, 60), st.integers(16, 60)),
)
def test_a_box_over_the_border_is_black_there(
    mode: str, color: Color, size: tuple[int, int], corner: tuple[int, int], side: tuple[int, int]
) -> None:
    (left, top), (width, height) = corner, side
    image = white(mode, *size)
    pixels = face_pixels(image, spec_of(color, height, width), (left, top, left + width, top + height))
    columns, rows = np.arange(left, left + width), np.arange(top, top + height)
    inside = ((rows >= 0) & (rows < size[1]))[:, None] & ((columns >= 0) & (columns < size[0]))
    # LAB's white is not quite white; what lies outside must be black whatever the mode.
    assert (pixels[:, inside] > 250).all()
    assert (pixels[:, ~inside] == 0).all()


@given(
    box=st.tuples(st.integers(-20, 20), st.integers(-20, 20), st.integers(21, 70), st.integers(21, 70)),
    margin=st.floats(0, 1),
)
def test_the_margin_widens_the_box(box: tuple[int, int, int, int], margin: float) -> None:
    image = noise(50, 50)
    with_margin = face_pixels(image, spec_of(crop_margin=margin), box)
    assert np.array_equal(with_margin, face_pixels(image, spec_of(), widened(box, margin)))


def test_widened_rounds_half_up() -> None:
    assert widened((10, 20, 20, 25), 0.25) == (7, 19, 23, 26)
    assert widened((0, 0, 10, 10), 0.05) == (-1, -1, 11, 11)
    assert widened((0, 0, 10, 10), 0.04) == (0, 0, 10, 10)
    assert widened((3, 4, 5, 6), 0.0) == (3, 4, 5, 6)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9)])
def test_an_empty_box_is_an_error(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(DataError, match=r"face box .* is empty; it is left, top, right, bottom"):
        face_pixels(noise(20, 20), spec_of(), box)


def resized(image: np.ndarray, size: int, kernel: str) -> np.ndarray:
    """The documented resize along the last axis of an integer array."""
    length = image.shape[-1]
    scale = max(length / size, 1.0)
    columns = []
    for index in range(size):
        center = (index + 0.5) * length / size
        x = np.abs((np.arange(length) + 0.5 - center) / scale)
        if kernel == "bilinear":
            weight = np.clip(1 - x, 0, None)
        else:
            near, far = (1.5 * x - 2.5) * x * x + 1, (((x - 5) * x + 8) * x - 4) * -0.5
            weight = np.where(x < 1, near, np.where(x < 2, far, 0))
        fixed = weight / weight.sum() * 2**22
        fixed = np.trunc(fixed + np.copysign(0.5, fixed)).astype(np.int64)
        columns.append(np.clip((image @ fixed + 2**21) >> 22, 0, 255))
    return np.stack(columns, axis=-1)


@given(kernel=st.sampled_from(("bilinear", "bicubic")), width=st.integers(1, 200), height=st.integers(1, 200))
def test_resize_is_the_documented_kernel_to_the_byte(kernel: str, width: int, height: int) -> None:
    image = noise(width, height, "L")
    across = resized(np.asarray(image, dtype=np.int64), 48, kernel)
    want = resized(across.T, 48, kernel).T
    assert np.array_equal(face_pixels(image, spec_of(resize=kernel))[0], want)


@given(grey=st.integers(0, 255), side=st.integers(1, 200), kernel=st.sampled_from(("bilinear", "bicubic")))
def test_resize_keeps_a_uniform_image_uniform(grey: int, side: int, kernel: str) -> None:
    pixels = face_pixels(Image.new("L", (side, side), grey), spec_of("rgb", resize=kernel))
    assert (pixels == grey).all()


@pytest.mark.parametrize("mode", DEEP_MODES)
def test_modes_that_would_be_clipped_are_refused(mode: str) -> None:
    with pytest.raises(DataError, match=r"cannot be converted to RGB: mode .* more than 8 bits"):
        face_pixels(Image.new(mode, (20, 20)), spec_of())


def test_a_mode_that_pillow_does_not_convert_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be converted to RGB"):
        face_pixels(Image.new("La", (20, 20)), spec_of())


@pytest.mark.parametrize("transparency", [3, bytes(range(256))])
def test_a_palette_s_transparency_is_dropped_without_a_warning(
    tmp_path: Path, transparency: int | bytes
) -> None:
    image = noise(48, 48).quantize(256)
    want = face_pixels(image, spec_of("rgb"))
    image.save(tmp_path / "face.png", transparency=transparency)
    assert np.array_equal(face_pixels(read_image(tmp_path / "face.png"), spec_of("rgb")), want)


def test_read_image_turns_the_image_upright(tmp_path: Path) -> None:
    image = noise(30, 20)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 270 degrees to see it upright
    image.save(tmp_path / "face.png", exif=exif)
    read = read_image(tmp_path / "face.png")
    assert read.mode == "RGB"
    assert np.array_equal(np.asarray(read), np.rot90(np.asarray(image), -1))


def test_read_image_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"image .*face\.jpg does not exist"):
        read_image(tmp_path / "face.jpg")


def test_read_image_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not an image that can be decoded"):
        read_image(tmp_path)


def test_read_image_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "face.jpg").write_text("no image")
    with pytest.raises(DataError, match=r"face\.jpg is not an image .* decoded: its format is unknown$"):
        read_image(tmp_path / "face.jpg")


def test_read_image_of_16_bits(tmp_path: Path) -> None:
    Image.new("I;16", (20, 20), 30000).save(tmp_path / "face.png")
    with pytest.raises(DataError, match=r"face\.png is not an image .* more than 8 bits per channel"):
        read_image(tmp_path / "face.png")


@given(
    kind=st.sampled_from(("PNG", "JPEG", "BMP", "WEBP")),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3),
)
def test_a_damaged_file_is_an_image_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    cut: float,
    changes: list[tuple[float, int]],
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    noise(24, 20).save(stream, kind, **({} if kind == "BMP" else {"exif": exif}))
    raw = bytearray(stream.getvalue())[: math.ceil(cut * len(stream.getvalue()))]
    assume(raw)
    for place, value in changes:
        # Squared: most of what a decoder trusts lies in the header.
        raw[int(place**2 * len(raw))] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(raw)
    try:
        image = read_image(path)
    except DataError as error:
        message = str(error)
    else:
        assert image.mode == "RGB"
        return
    assert message.startswith(f"{path} is not an image that can be decoded: ")


def test_stack_faces_keeps_the_order_and_wants_as_many_as_announced() -> None:
    images = [Image.new("L", (20, 20), grey) for grey in (7, 9)]
    pixels = stack_faces(iter(images), 2, spec_of("rgb", 16, 24), "testing")
    assert pixels.shape == (2, 3, 16, 24)
    assert pixels[:, 0, 0, 0].tolist() == [7, 9]
    with pytest.raises(ValueError, match="shorter"):
        stack_faces(images, 3, spec_of(), "testing")


def test_faces_from_files(tmp_path: Path) -> None:
    files = [tmp_path / f"{grey}.png" for grey in (5, 3)]
    for file in files:
        Image.new("L", (20, 20), int(file.stem)).save(file)
    pixels = faces_from_files(files, spec_of(), "testing")
    assert pixels.shape == (2, 1, 48, 48)
    assert pixels[:, 0, 0, 0].tolist() == [5, 3]
    assert pixels.flags.c_contiguous
    assert 0 not in pixels.strides
    assert faces_from_files([], spec_of(), "testing").shape == (0, 1, 48, 48)


def test_faces_from_files_says_what_to_do_about_a_bad_one(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"bad\.png is not an image .*; replace the file or take it out"):
        faces_from_files([tmp_path / "bad.png"], spec_of(), "testing")
    with pytest.raises(DataError, match=r"gone\.png does not exist; replace the file or take it out"):
        faces_from_files([tmp_path / "gone.png"], spec_of(), "testing")
