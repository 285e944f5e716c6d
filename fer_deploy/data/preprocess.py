"""Reference implementation of the Contract: from an image and a face box to network pixels.

Every app and every runtime must give these bytes. Crop, colour and resize are Pillow's, whose
arithmetic is integer and the same on every machine: luma is (19595 R + 38470 G + 7471 B + 2^15) >> 16
(ITU-R 601), and resize is an antialiased kernel with 22-bit fixed-point weights along the width, rounded
half up to 8 bits, then along the height.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_deploy.contract import InputSpec
from fer_deploy.errors import DataError
from fer_deploy.progress import track

#: left, top, right, bottom in pixels; right and bottom are exclusive.
Box = tuple[int, int, int, int]

_KERNELS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def read_image(path: Path) -> Image.Image:
    """Return the image at ``path`` as RGB and upright (EXIF orientation applied).

    Raises:
        DataError: no such file, or not an image with at most 8 bits per channel that Pillow can decode.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return _rgb(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise DataError(f"image {path} does not exist") from None
    # Everything: which exception a damaged file gives is up to each decoder (struct.error, for one).
    except Exception as error:
        why = "its format is unknown" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{path} is not an image that can be decoded: {why}") from None


def _rgb(image: Image.Image) -> Image.Image:
    """Return ``image`` in mode RGB, transparency dropped; ValueError where Pillow cannot or would clip."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"mode {image.mode} has more than 8 bits per channel; save it with 8")
    if isinstance(image.info.get("transparency"), bytes):
        # Pillow warns when a palette with transparency goes to RGB directly; the colours are the same.
        image = image.convert("RGBA")
    return image.convert("RGB")


def widened(box: Box, margin: float) -> Box:
    """Return ``box`` with ``margin`` times its width and height added on each side, rounded half up."""
    left, top, right, bottom = box
    dx = int((right - left) * margin + 0.5)
    dy = int((bottom - top) * margin + 0.5)
    return left - dx, top - dy, right + dx, bottom + dy


def face_pixels(image: Image.Image, spec: InputSpec, box: Box | None = None) -> NDArray[np.uint8]:
    """Return uint8 (C, H, W) pixels of the face in ``image``, C-contiguous and writable.

    Args:
        image: any mode of at most 8 bits per channel that Pillow converts to RGB; transparency is dropped.
        spec: the contract's input specification.
        box: the detector's face box, widened here by ``spec.crop_margin``; parts outside the image
            are black. None when the image already is the crop.

    Raises:
        DataError: the box is empty, or the image's mode cannot be converted without loss.
    """
    try:
        # Before the crop, which fills what lies outside with zeros: not black in CMYK, YCbCr or a palette.
        image = _rgb(image)
    except ValueError as error:
        raise DataError(f"the image cannot be converted to RGB: {error}") from None
    if box is not None:
        left, top, right, bottom = box
        if right <= left or bottom <= top:
            raise DataError(f"face box {box} is empty; it is left, top, right, bottom in pixels")
        image = image.crop(widened(box, spec.crop_margin))
    if spec.color == "grey":
        image = image.convert("L")
    # Width, then height: left to itself, Pillow from 13 on takes the height first where it shrinks more,
    # which rounds otherwise.
    for size in ((spec.width, image.height), (spec.width, spec.height)):
        image = image.resize(size, _KERNELS[spec.resize])
    array = np.array(image, dtype=np.uint8)
    # Not array[None]: its stride of 0 is refused by ExecuTorch.
    return array.reshape(spec.shape[1:]) if spec.color == "grey" else array.transpose(2, 0, 1).copy()


def stack_faces(
    images: Iterable[Image.Image], count: int, spec: InputSpec, description: str
) -> NDArray[np.uint8]:
    """Return uint8 (count, C, H, W), each of ``count`` images by :func:`face_pixels` without a box.

    The images are drawn one at a time into an array made once, so a lazy ``images`` keeps one in memory.
    ``description`` names the progress bar.

    Raises:
        DataError: as :func:`face_pixels`.
    """
    pixels = np.empty((count, *spec.shape[1:]), dtype=np.uint8)
    for slot, image in zip(pixels, track(images, description, total=count), strict=True):
        slot[...] = face_pixels(image, spec)
    return pixels


def faces_from_files(files: Sequence[Path], spec: InputSpec, description: str) -> NDArray[np.uint8]:
    """Return uint8 (len(files), C, H, W), each file read and given to :func:`stack_faces`.

    Raises:
        DataError: a file is missing or cannot be decoded; the message names it.
    """
    return stack_faces((_dataset_image(file) for file in files), len(files), spec, description)


def _dataset_image(file: Path) -> Image.Image:
    try:
        return read_image(file)
    except DataError as error:
        raise DataError(f"{error}; replace the file or take it out of the dataset") from None
