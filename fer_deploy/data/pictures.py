"""One picture in any form that Python has it in: a file, Pillow's, or an array."""

from __future__ import annotations

import os
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fer_deploy.data.preprocess import read_image
from fer_deploy.errors import ArgumentError, DataError
from fer_deploy.files import as_path

#: A path, Pillow's image, or uint8 (H, W) or (H, W, 3).
Picture: TypeAlias = "str | os.PathLike[str] | Image.Image | NDArray[np.uint8]"


def as_picture(image: Picture) -> Image.Image:
    """Return a picture as Pillow's image, upright (EXIF orientation applied).

    Args:
        image: a path, Pillow's image in any mode, or a uint8 array (H, W), grey, or (H, W, 3), RGB.

    Raises:
        ArgumentError: it is something else, or an array of another shape or type.
        DataError: the file is missing or no image that can be decoded.
    """
    if isinstance(image, Image.Image):
        try:
            return ImageOps.exif_transpose(image)
        except Exception as error:  # a file that is read only now, and damaged
            raise DataError(f"the image cannot be decoded: {error}") from None
    if isinstance(image, np.ndarray):
        return _of_array(image)
    if isinstance(image, str | os.PathLike):
        return read_image(as_path(image, "image"))
    raise ArgumentError(
        f"image is a path, a PIL image or a uint8 array (H, W) or (H, W, 3), got {type(image).__name__}"
    )


def _of_array(array: NDArray[np.uint8]) -> Image.Image:
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if array.dtype != np.uint8 or not fits or array.size == 0:
        raise ArgumentError(
            f"an image is a uint8 array (H, W) or (H, W, 3), got {array.dtype} {tuple(array.shape)}; "
            "pixels are 0..255, and the contract normalises them"
        )
    return Image.fromarray(array)
