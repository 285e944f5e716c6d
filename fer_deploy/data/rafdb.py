"""RAF-DB, basic emotions, in its official layout (its licence forbids redistribution: none of it is here).

Li, Deng & Du, CVPR 2017. Under the root lie ``EmoLabel/list_patition_label.txt`` (sic), with lines such as
``train_00001.jpg 5``, and ``Image/aligned/train_00001_aligned.jpg``, 100x100 RGB.

The 5-class subset leaves fear and disgust out: the two rarest of the test split (74 and 160 images) and of
the rarest three of the training split, where anger (705) is a little rarer than disgust (717). The ICTC
paper does not publish its five classes, so this choice is ours.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from fer_deploy.contract import InputSpec
from fer_deploy.data.faces import ONE_SPLIT_ONLY, Faces, one_hot
from fer_deploy.data.preprocess import faces_from_files
from fer_deploy.errors import DataError

LIST_FILE = Path("EmoLabel/list_patition_label.txt")
IMAGE_FOLDER = Path("Image/aligned")
#: The order of the labels 1 to 7 of the list file.
RAFDB_LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
RAFDB5_LABELS = ("surprise", "happiness", "sadness", "anger", "neutral")
#: Images per class of the official release, as ../shared/data/README.md of this project hands them down; the
#: sums, 12,271 and 3,068, are those of Li, Deng & Du. Not enforced: a part of the data is usable too.
OFFICIAL_COUNTS = {
    "train": (1290, 281, 717, 4772, 1982, 705, 2524),
    "test": (329, 74, 160, 1185, 478, 162, 680),
}
_LINE = re.compile(r"((?:train|test)_\w+)\.jpg\s+(\d+)")


class _Entry(NamedTuple):
    row: int
    stem: str
    label: str


def load_rafdb(
    root: Path, split: Literal["train", "test"], spec: InputSpec, classes: Literal[7, 5] = 7
) -> Faces:
    """Return one official split, preprocessed for ``spec``.

    Args:
        root: the folder that holds ``EmoLabel`` and ``Image``.
        split: by the prefix of the image's name.
        spec: how the pixels are wanted.
        classes: 7 for :data:`RAFDB_LABELS`, 5 for :data:`RAFDB5_LABELS`.

    Returns:
        Faces with one-hot distributions; ``rows`` are line indices of the list file, from 0. Which images
        are in the training split too is not known here: the loader sees one split only.

    Raises:
        DataError: the list file is missing or malformed, an image is missing or cannot be decoded, or
            the split has no image.
    """
    labels = RAFDB5_LABELS if classes == 5 else RAFDB_LABELS
    list_file = root / LIST_FILE
    of_split = [entry for entry in _read_list(list_file) if entry.stem.startswith(f"{split}_")]
    entries = [entry for entry in of_split if entry.label in labels]
    if not entries:
        raise DataError(
            f"{list_file} lists no {split} image of the classes {', '.join(labels)}; "
            "restore the official file"
        )
    files = [root / IMAGE_FOLDER / f"{entry.stem}_aligned.jpg" for entry in entries]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of the {len(files)} {split} images of {list_file} do not exist, "
            f"first {missing[0]}; unpack the aligned images into {root / IMAGE_FOLDER}"
        )
    name = f"RAF-DB {split}" if classes == 7 else f"RAF-DB (5 classes) {split}"
    targets = np.array([labels.index(entry.label) for entry in entries], dtype=np.int64)
    others = Counter(entry.label for entry in of_split if entry.label not in labels)
    return Faces(
        name=name,
        labels=labels,
        pixels=faces_from_files(files, spec, f"reading {name}"),
        targets=targets,
        distribution=one_hot(targets, len(labels)),
        rows=np.array([entry.row for entry in entries], dtype=np.int64),
        leaked=np.zeros(len(entries), dtype=bool),
        passed_over={f"of {label}": count for label, count in others.items()},
        training_unknown=ONE_SPLIT_ONLY,
    )


def _read_list(path: Path) -> list[_Entry]:
    """Return the entries of both splits, in the list file's order."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise DataError(
            f"RAF-DB's label list {path} does not exist; give the folder that holds EmoLabel and Image"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"RAF-DB's label list {path} cannot be read: {error}; restore the official file"
        ) from None
    entries: list[_Entry] = []
    first_line: dict[str, int] = {}
    for row, line in enumerate(lines):
        if not line.strip():
            continue
        where = f"line {row + 1} of {path}"
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise DataError(
                f"{where} is '{line.strip()}', expected such as 'train_00001.jpg 5'; "
                "restore the official file"
            )
        stem, number = match[1], int(match[2])
        if not 1 <= number <= len(RAFDB_LABELS):
            raise DataError(
                f"{where} has the unknown label {number}, expected 1 to {len(RAFDB_LABELS)}; "
                "restore the official file"
            )
        if stem in first_line:
            raise DataError(
                f"{where} lists {stem}.jpg again after line {first_line[stem]}; remove one of the two"
            )
        first_line[stem] = row + 1
        entries.append(_Entry(row, stem, RAFDB_LABELS[number - 1]))
    return entries
