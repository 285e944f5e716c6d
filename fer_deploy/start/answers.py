"""What is typed, on the command line or at a question, as what it stands for."""

from __future__ import annotations

import re
from pathlib import Path

from fer_deploy.data.image_folder import class_folders
from fer_deploy.data.registry import DatasetSpec, labels_of
from fer_deploy.errors import ConfigError, DataError, ModelError
from fer_deploy.model import MODEL_FILE
from fer_deploy.model.names import is_factory

#: Channels to colour.
COLORS = {1: "grey", 3: "rgb"}


def model_reference(text: str) -> str:
    """Return the reference of a model that there is, as far as that shows without reading it; else ModelError."""
    path = Path(text)
    if is_factory(text) or (path.is_dir() and (path / MODEL_FILE).is_file()):
        return text
    if path.is_dir():
        raise ModelError(f"folder {text} has no {MODEL_FILE}, so it is no model; name a model folder")
    if text.endswith(".pt2") and not path.is_file():
        raise ModelError(f"exported program {text} does not exist")
    if text.endswith(".pt2"):
        return text
    raise ModelError(
        f"model '{text}' is none of: package.module:factory, a .pt2 exported program, a folder with {MODEL_FILE}"
    )


def weights_file(text: str) -> Path:
    """Return the path of a file that there is; else ModelError."""
    if not Path(text).is_file():
        raise ModelError(f"weights {text} do not exist")
    return Path(text)


def size(text: str) -> tuple[int, int]:
    """Return (height, width) of ``64`` or ``64x48``; else ConfigError."""
    match = re.fullmatch(r"\s*(\d{1,4})(?:\s*[xX×]\s*(\d{1,4}))?\s*", text)
    if match is None:
        raise ConfigError(
            f"size '{text}' is not understood; write the pixels of a side, 64, or HEIGHTxWIDTH, 64x48"
        )
    height = int(match[1])
    return height, int(match[2] or height)


def channels(text: str) -> int:
    """Return the channels of ``grey`` or ``rgb``; else ConfigError."""
    for count, color in COLORS.items():
        if text.strip().lower() == color:
            return count
    raise ConfigError(f"color '{text}' is not known; write grey or rgb")


def per_channel(text: str, what: str, count: int) -> list[float]:
    """Return a number for each of ``count`` channels: one for all, or as many, between commas; else ConfigError."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, count):
        wanted = "one number" if count == 1 else f"one number, or {count} with commas between"
        raise ConfigError(f"{what} '{text}' is not {wanted}")
    return numbers * count if len(numbers) == 1 else numbers


def image_folder(text: str) -> Path:
    """Return a folder with ``train`` and ``test``, one sub-folder per class in each; else DataError."""
    root = Path(text)
    for split in ("train", "test"):
        class_folders(root / split)
    return root


def class_labels(text: str | None, data: DatasetSpec, classes: int, source: str) -> tuple[str, ...]:
    """Return the labels between the commas of ``text``, or without one those of the images.

    Raises:
        ConfigError: there are more or fewer than the model has classes.
        DataError: they are not those of the images.
    """
    images, where = labels_of(data), data.path if data.kind == "folder" else data.kind
    if text is None or text == ",".join(images):
        labels, origin = images, f"the images of {where} have"
    else:
        labels, origin = tuple(part.strip() for part in text.split(",")), "--labels names"
    if len(labels) != classes:
        raise ConfigError(
            f"{origin} {len(labels)} labels ({', '.join(labels)}) but {source} answers {classes} classes; give one "
            "label for each output, in their order"
        )
    same = sorted(labels) == sorted(images) if data.kind == "folder" else labels == images
    if not same:
        raise DataError(
            f"the labels {', '.join(labels)} are not those of the images of {where}, "
            f"{', '.join(images)}; name them alike"
        )
    return labels
