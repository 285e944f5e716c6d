"""A user's own faces: one sub-folder of images per class."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

import numpy as np

from fer_deploy.contract import InputSpec
from fer_deploy.data.faces import ONE_SPLIT_ONLY, Faces, one_hot
from fer_deploy.data.image_files import entries, hidden, image_files, is_image, led_to, named
from fer_deploy.data.preprocess import faces_from_files
from fer_deploy.errors import DataError

#: Why an image has no class.
BESIDE = "beside the class folders"


def class_folders(root: Path) -> tuple[str, ...]:
    """Return the sorted names of the sub-folders of ``root``, links to folders among them; hidden ones are passed over.

    Raises:
        DataError: ``root`` is missing, not a folder or cannot be read, has no sub-folder, or a link that leads nowhere.
    """
    try:
        os.scandir(root).close()  # its own errors, not those of what is in it
        names = tuple(path.name for path, status in entries(root) if stat.S_ISDIR(status.st_mode))
    except FileNotFoundError:
        for path in (root, *root.parents):
            if path.is_symlink():  # a data cache that is not mounted: the folder is not to be made
                led_to(path)
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
    return names


def load_image_folder(root: Path, spec: InputSpec, labels: tuple[str, ...]) -> Faces:
    """Return the images in ``root/<label>/``, preprocessed for ``spec``.

    An image is a file of a format that Pillow reads here, at any depth below its class folder, links followed;
    what else is there is passed over and counted. Each image must already be the crop of one face. A class
    folder may be empty.

    Args:
        root: the folder with the class folders.
        spec: how the pixels are wanted.
        labels: the class names, in the order of the targets; the sub-folders must have just these names.

    Returns:
        Faces sorted by path, with one-hot distributions; ``rows`` are positions in that order. Which images
        are in the training split too is not known here: the loader sees one split only.

    Raises:
        DataError: the folders are not the labels, an image cannot be reached or decoded, or there is none.
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
    found = [image_files(root / folder) for folder in folders]
    files = sorted(
        (file for one in found for file in one.files), key=lambda file: file.relative_to(root).as_posix()
    )
    if not files:
        raise DataError(f"the sub-folders of {root} hold no image; add some, e.g. PNG or JPEG files")
    passed_over = sum((one.passed_over for one in found), _beside(root))
    targets = np.array([labels.index(file.relative_to(root).parts[0]) for file in files], dtype=np.int64)
    return Faces(
        name=f"folder {root}",
        labels=labels,
        pixels=faces_from_files(files, spec, f"reading {root}"),
        targets=targets,
        distribution=one_hot(targets, len(labels)),
        rows=np.arange(len(files), dtype=np.int64),
        leaked=np.zeros(len(files), dtype=bool),
        passed_over=dict(sorted(passed_over.items())),
        training_unknown=ONE_SPLIT_ONLY,
    )


def _beside(root: Path) -> Counter[str]:
    """Return what lies beside the class folders: images have no class there, and may be of a format not read here."""
    found: Counter[str] = Counter(hidden=sum(hidden(path.name) for path in root.iterdir()))
    for path, status in entries(root):
        if stat.S_ISREG(status.st_mode):
            found[_reason(path)] += 1
        elif not stat.S_ISDIR(status.st_mode):
            found["neither file nor folder"] += 1
    return found


def _reason(path: Path) -> str:
    try:
        return BESIDE if is_image(path) else named(path)
    except DataError:
        return BESIDE
