"""One image of FER2013 from a file or from bytes."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from fer_deploy.contract import InputSpec
from fer_deploy.data.imports.rows import SIDE
from fer_deploy.data.preprocess import face_pixels
from fer_deploy.errors import DataError

#: Formats of Pillow's that keep every pixel as it was.
_LOSSLESS = {"BMP", "PNG", "PPM"}
_SPEC = InputSpec(height=SIDE, width=SIDE, color="grey", mean=(0.0,), std=(1.0,))


def picture(source: Path | IO[bytes], where: str) -> tuple[bytes, bool]:
    """Return an image's 48 x 48 grey bytes, and whether its format is lossless.

    Args:
        source: the file, or its content.
        where: names the image in errors.

    Raises:
        DataError: it cannot be decoded, or is not of 48 x 48 pixels.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source) as image:
            size = image.size
            if size == (SIDE, SIDE):
                return face_pixels(image, _SPEC).tobytes(), image.format in _LOSSLESS
    # Everything: which exception a damaged file gives is up to each decoder.
    except Exception as error:
        why = "its format is unknown" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(
            f"{where} is not an image that can be decoded: {why}; download or unpack the source again"
        ) from None
    raise DataError(
        f"{where} is {size[0]}x{size[1]} pixels and FER2013's images are {SIDE}x{SIDE}; "
        "give FER2013 as it was published, or use other images with --dataset folder"
    )
