"""Which files below a class folder are images: each is read, passed over with a reason, or an error that names it."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fer_deploy.errors import DataError

#: What Pillow knows by name and holds no still picture of pixels: films, tables, documents, drawings.
_NO_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
#: Suffixes of images that Pillow, or this build of it, may be unable to read.
_FOREIGN = {
    ".arw", ".avif", ".avifs", ".cr2", ".cr3", ".dng", ".emf", ".eps", ".exr", ".hdr", ".heic", ".heif", ".hif", ".j2k",
    ".jp2", ".jxl", ".jxr", ".nef", ".orf", ".raf", ".rw2", ".svg", ".svgz", ".tif", ".tiff", ".webp", ".wmf",
}  # fmt: skip
#: Formats that are told by their first bytes, for files with a name that says nothing.
_BY_CONTENT = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "QOI")
_LATER = "later picture of a file with several"


@dataclass
class ImageFiles:
    """What lies in a folder.

    Attributes:
        files: the images, in no order.
        passed_over: reason to number of what is not read.
    """

    files: list[Path] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


def image_files(folder: Path) -> ImageFiles:
    """Return the images in ``folder``, at any depth, and what else is there. Links to files and folders are followed.

    Raises:
        DataError: a link leads nowhere or in a circle, a folder or file cannot be read, or a file is an image of a
            format that Pillow does not read here.
    """
    found = ImageFiles()
    _walk(folder, (), found)
    return found


def entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield what is in a folder, by name, each with what it leads to; hidden names are not yielded.

    Raises:
        DataError: the folder cannot be read, or a link in it leads nowhere.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"image folder {folder} cannot be read: {error.strerror}; give read permission"
        ) from None
    for path in paths:
        if not hidden(path.name):
            yield path, led_to(path)


def hidden(name: str) -> bool:
    """Return whether a name is hidden, as folders of caches and previews are."""
    return name.startswith(".")


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of every still image that this Pillow reads."""
    from PIL import Image

    Image.init()
    known = Image.registered_extensions().items()
    readable = {suffix for suffix, kind in known if kind in Image.OPEN and kind not in _NO_PICTURES}
    return frozenset(readable | {".mpo"})  # a JPEG with further pictures behind it


def led_to(path: Path) -> os.stat_result:
    """Return what a path leads to.

    Raises:
        DataError: it is a link that leads nowhere, or cannot be read.
    """
    try:
        return path.stat()
    except OSError as error:
        if not path.is_symlink():
            raise DataError(f"{path} cannot be read: {error.strerror}; give read permission") from None
        raise DataError(
            f"{path} is a link to {path.readlink()}, which cannot be reached: {error.strerror}; "
            "restore or mount what it leads to, or remove the link"
        ) from None


def named(path: Path) -> str:
    """Return why a file that is no image is passed over."""
    return f"named {path.suffix}" if path.suffix else "without a suffix"


def _walk(folder: Path, above: tuple[tuple[int, int], ...], found: ImageFiles) -> None:
    own = led_to(folder)
    identity = (own.st_dev, own.st_ino)
    if identity in above:
        raise DataError(
            f"{folder} is a link to a folder that holds it: its images have no end; remove the link"
        )
    for path, status in entries(folder):
        if stat.S_ISDIR(status.st_mode):
            _walk(path, (*above, identity), found)
        elif not stat.S_ISREG(status.st_mode):
            found.passed_over["neither file nor folder"] += 1
        elif is_image(path):
            found.files.append(path)
            found.passed_over[_LATER] += _pictures(path) - 1
        else:
            found.passed_over[named(path)] += 1
    found.passed_over["hidden"] += sum(hidden(path.name) for path in folder.iterdir())


def is_image(path: Path) -> bool:
    """Return whether a file is an image, by its name or its first bytes.

    Raises:
        DataError: it is one of a format that Pillow does not read here, or cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in image_suffixes():
        return True
    if suffix in _FOREIGN:
        raise DataError(
            f"{path} is an image of a format that Pillow does not read here; save it as PNG, or take it out"
        )
    return _begins_as_image(path)


def _begins_as_image(path: Path) -> bool:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=_BY_CONTENT):
            return True
    except PermissionError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; give read permission") from None
    except UnidentifiedImageError:
        return False
    except Exception:  # it begins as one and is damaged: reading it says how
        return True


def _pictures(path: Path) -> int:
    """Return how many pictures a file holds, of which only the first is read; a name does not tell."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # damaged: reading it says how
        return 1
