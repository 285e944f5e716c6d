"""The folders in which FER2013 is passed around: ``train/<label>/`` and ``test/<label>/``, the latter both tests."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fer_deploy.data.fer2013 import FER2013_LABELS, Split
from fer_deploy.data.image_files import entries, image_files
from fer_deploy.data.image_folder import BESIDE, class_folders
from fer_deploy.data.imports.names import SPLIT_WORDS, emotion_of, settled, split_of
from fer_deploy.data.imports.pictures import picture
from fer_deploy.data.imports.rows import ImportedRows, rows_without_votes
from fer_deploy.errors import DataError
from fer_deploy.progress import track


def read_layout(root: Path) -> ImportedRows:
    """Return the images in ``root/<split>/<label>/``, sorted by path, without votes.

    Folders of splits are train, test, validation and the names of the splits, in any case; files named such as
    ``PublicTest_123.jpg`` tell the split of a test image. Where nothing does, see :func:`names.settled`.

    Raises:
        DataError: there is no such folder, a class folder names no class of FER2013, a file name contradicts its
            folder, or an image cannot be decoded or is not of 48 x 48 pixels.
    """
    passed_over: Counter[str] = Counter()
    files = sorted(_files(root, passed_over), key=lambda found: found[0])
    if not files:
        raise DataError(f"the class folders below {root} hold no image; unpack the download again")
    pixels, lossless = bytearray(), list[bool]()
    splits: list[Split | None] = []
    for name, word, _ in track(files, f"reading {root}"):
        path = root / name
        splits.append(split_of(word, name, str(path)))
        content, kept = picture(path, str(path))
        pixels += content
        lossless.append(kept)
    usage, notes, merged = settled(splits, str(root))
    notes += [f"passed over: {count:,} {reason}" for reason, count in sorted(passed_over.items()) if count]
    return rows_without_votes(
        pixels,
        [emotion for *_, emotion in files],
        usage,
        [name for name, *_ in files],
        lossless,
        numbered=False,
        notes=notes,
        merged=merged,
    )


def _files(root: Path, passed_over: Counter[str]) -> Iterator[tuple[str, str, int]]:
    """Yield path below ``root``, word for the split and class of every image."""
    splits = {path: path.name.lower() for path, status in entries(root) if stat.S_ISDIR(status.st_mode)}
    if not any(word in SPLIT_WORDS for word in splits.values()):
        raise DataError(f"{root} has no folder 'train' or 'test'; give the folder that holds them")
    for folder, word in splits.items():
        if word not in SPLIT_WORDS:
            passed_over[f"folder {folder.name}"] += 1
            continue
        for label in class_folders(folder):
            emotion = emotion_of(label)
            if emotion is None:
                raise DataError(
                    f"{folder / label} names no class of FER2013; known: {', '.join(FER2013_LABELS)}"
                )
            found = image_files(folder / label)
            passed_over.update(found.passed_over)
            for path in found.files:
                yield path.relative_to(root).as_posix(), word, emotion
        passed_over[BESIDE] += sum(not stat.S_ISDIR(status.st_mode) for _, status in entries(folder))
