"""A user's own faces: one sub-folder of images per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_deploy.contract import InputSpec
from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.data.preprocess import faces_from_files
from fer_deploy.errors import DataError

#: Names of images end so, in lower or upper case; other files are passed over.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def class_folders(root: Path) -> tuple[str, ...]:
    """Return the sorted names of the sub-folders of ``root``; hidden ones are passed over.

    Raises:
        DataError: ``root`` is missing, not a folder or cannot be read, or has no sub-folder.
    """
    try:
        names = sorted(child.name for child in root.iterdir() if child.is_dir() and not _hidden(child.name))
    except FileNotFoundError:
        raise DataError(
            f"image folder {root} does not exist; make it, with one sub-folder of images per class"
        ) from None
    except OSError as error:
        raise DataError(
            f"image folder {root} cannot be read: {error.strerror}; "
            "give a folder with one sub-folder of images per class"
        ) from None
    if not names:
        raise DataError(
            f"image folder {root} has no sub-folder; put the images into one sub-folder per class"
        )
    return tuple(names)


def load_image_folder(root: Path, spec: InputSpec, labels: tuple[str, ...]) -> Faces:
    """Return the images in ``root/<label>/``, preprocessed for ``spec``.

    An image is a file named as in :data:`IMAGE_SUFFIXES`, at any depth below its class folder; hidden
    files and folders are passed over. Each image must already be the crop of one face. A class folder
    may be empty.

    Args:
        root: the folder with the class folders.
        spec: how the pixels are wanted.
        labels: the class names, in the order of the targets; the sub-folders must have just these names.

    Returns:
        Faces sorted by path, with one-hot distributions; ``rows`` are positions in that order. ``leaked``
        is False everywhere: the loader sees one split only.

    Raises:
        DataError: the folders are not the labels, an image cannot be decoded, or there is none.
    """
    folders = class_folders(root)
    without_folder = [label for label in labels if label not in folders]
    without_label = [folder for folder in folders if folder not in labels]
    if without_folder or without_label:
        differences = [
            f"{text} {', '.join(names)}"
            for text, names in (("no folder for", without_folder), ("no label for", without_label))
            if names
        ]
        raise DataError(
            f"the sub-folders of {root}, {list(folders)}, are not the labels {list(labels)}: "
            f"{'; '.join(differences)}; name one folder after each label"
        )
    files = sorted(
        (file for folder in folders for file in _images(root / folder)),
        key=lambda file: file.relative_to(root).as_posix(),
    )
    if not files:
        raise DataError(
            f"the sub-folders of {root} hold no image; add files named {', '.join(IMAGE_SUFFIXES)}"
        )
    targets = np.array([labels.index(file.relative_to(root).parts[0]) for file in files], dtype=np.int64)
    return Faces(
        name=f"folder {root}",
        labels=labels,
        pixels=faces_from_files(files, spec, f"reading {root}"),
        targets=targets,
        distribution=one_hot(targets, len(labels)),
        rows=np.arange(len(files), dtype=np.int64),
        leaked=np.zeros(len(files), dtype=bool),
    )


def _images(folder: Path) -> list[Path]:
    return [
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in IMAGE_SUFFIXES
        and not any(_hidden(part) for part in file.relative_to(folder).parts)
        and file.is_file()
    ]


def _hidden(name: str) -> bool:
    return name.startswith(".")
