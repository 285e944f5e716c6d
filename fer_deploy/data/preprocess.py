"""Reference implementation of the Contract: from an image and a face box to network pixels.

Every app and every runtime must give these bytes. Crop, colour and resize are Pillow's, whose
arithmetic is integer and the same on every machine: luma is (19595 R + 38470 G + 7471 B + 2^15) >> 16
(ITU-R 601), and resize is a separable antialiased kernel with 22-bit fixed-point weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_deploy.contract import InputSpec
from fer_deploy.errors import DataError

#: left, top, right, bottom in pixels; right and bottom are exclusive.
Box = tuple[int, int, int, int]

_KERNELS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def read_image(path: Path) -> Image.Image:
    """Return the image at ``path``, upright (EXIF orientation applied).

    Raises:
        DataError: no such file, or not an image that Pillow can decode.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise DataError(f"image {path} does not exist") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not an image that can be decoded: {error}") from None


def widened(box: Box, margin: float) -> Box:
    """Return ``box`` with ``margin`` times its width and height added on each side, rounded half up."""
    left, top, right, bottom = box
    dx = int((right - left) * margin + 0.5)
    dy = int((bottom - top) * margin + 0.5)
    return left - dx, top - dy, right + dx, bottom + dy


def face_pixels(image: Image.Image, spec: InputSpec, box: Box | None = None) -> NDArray[np.uint8]:
    """Return uint8 (C, H, W) pixels of the face in ``image``.

    Args:
        image: any mode that Pillow converts to grey or RGB; transparency is dropped.
        spec: the contract's input specification.
        box: the detector's face box, widened here by ``spec.crop_margin``; parts outside the image
            are black. None when the image already is the crop.

    Raises:
        DataError: the box is empty.
    """
    if box is not None:
        left, top, right, bottom = box
        if right <= left or bottom <= top:
            raise DataError(f"face box {box} is empty; it is left, top, right, bottom in pixels")
        image = image.crop(widened(box, spec.crop_margin))
    image = image.convert("RGB")
    if spec.color == "grey":
        image = image.convert("L")
    if image.size != (spec.width, spec.height):
        image = image.resize((spec.width, spec.height), _KERNELS[spec.resize])
    array = np.asarray(image, dtype=np.uint8)
    return array[None] if spec.color == "grey" else np.ascontiguousarray(array.transpose(2, 0, 1))
