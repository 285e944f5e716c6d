"""From what a user names to the rows of the npz: which file is what, and what belongs together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from fer_deploy.contract import InputSpec
from fer_deploy.data.imports.fer_csv import (
    FER_COLUMNS,
    VOTES_COLUMNS,
    header_of,
    read_fer_csv,
    read_votes_csv,
)
from fer_deploy.data.imports.layout import read_layout
from fer_deploy.data.imports.parquet import read_parquets
from fer_deploy.data.imports.rows import ImportedRows
from fer_deploy.data.rafdb import LIST_FILE, RAFDB_LABELS, load_rafdb
from fer_deploy.errors import DataError

SourceKind = Literal["fer2013.csv", "fer2013new.csv", "folder", "parquet", "RAF-DB"]
#: First bytes of archives, in which downloads come.
_ARCHIVES = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}
_PARQUET = b"PAR1"
_RAFDB_SPLITS: tuple[Literal["train", "test"], ...] = ("train", "test")
#: Large enough to tell whether an image can be decoded.
_SPEC = InputSpec(height=48, width=48, color="grey", mean=(0.0,), std=(1.0,))


def kind_of(path: Path) -> SourceKind:
    """Return what a file or folder is, by its content.

    Raises:
        DataError: it is missing, an archive, or nothing that is known here.
    """
    if path.is_dir():
        return "RAF-DB" if (path / LIST_FILE.parent).is_dir() else "folder"
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; give what you downloaded") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; give read permission") from None
    for mark, archive in _ARCHIVES.items():
        if head.startswith(mark):
            raise DataError(f"{path} is a {archive} archive; unpack it and give what is inside")
    if head == _PARQUET:
        return "parquet"
    header = header_of(path)
    kinds: dict[SourceKind, Sequence[str]] = {"fer2013.csv": FER_COLUMNS, "fer2013new.csv": VOTES_COLUMNS}
    for kind, columns in kinds.items():
        if columns[-1] in header:
            return kind
    raise DataError(
        f"line 1 of {path} has the columns {list(header)[:12]}, which are neither those of fer2013.csv "
        f"(emotion, pixels, Usage) nor those of fer2013new.csv (Usage, Image name, neutral, ... NF)"
    )


def gather(sources: Sequence[Path]) -> ImportedRows:
    """Return the rows of FER2013 in ``sources``, with FER+'s votes where ``fer2013new.csv`` is one of them.

    Args:
        sources: one fer2013.csv or icml_face_data.csv, with or without one fer2013new.csv; or one folder with train
            and test; or parquet files.

    Raises:
        DataError: they do not belong together, or one is missing or malformed.
    """
    kinds = {path: kind_of(path) for path in sources}
    votes = [path for path, kind in kinds.items() if kind == "fer2013new.csv"]
    images = [path for path, kind in kinds.items() if kind != "fer2013new.csv"]
    if not images:
        raise DataError(f"{votes[0]} holds votes and no image; give fer2013.csv as well")
    found = sorted({kinds[path] for path in images})
    if len(found) > 1 or (found != ["parquet"] and len(images) > 1) or len(votes) > 1:
        named = ", ".join(f"{path} ({kind})" for path, kind in kinds.items())
        raise DataError(
            f"{named} do not belong together; give one fer2013.csv and one fer2013new.csv, or one folder, "
            "or parquet files"
        )
    if votes and found != ["fer2013.csv"]:
        raise DataError(
            f"{votes[0]} counts the rows of fer2013.csv, which {images[0]} does not have; give fer2013.csv instead"
        )
    match found[0]:
        case "fer2013.csv":
            return _voted(read_fer_csv(images[0]), images[0], votes[0] if votes else None)
        case "folder":
            return read_layout(images[0])
        case "parquet":
            return read_parquets(images)
        case _:
            raise DataError(f"{images[0]} is RAF-DB, of which nothing is imported; see --dataset rafdb")


def _voted(rows: ImportedRows, path: Path, votes_path: Path | None) -> ImportedRows:
    if votes_path is None:
        return rows
    votes = read_votes_csv(votes_path)
    if len(votes.usage) != len(rows):
        raise DataError(
            f"{votes_path} has {len(votes.usage):,} rows and {path} {len(rows):,}; row i of one belongs to row i "
            "of the other, so give both whole"
        )
    apart = np.flatnonzero(votes.usage != rows.usage)
    if len(apart):
        row = int(apart[0])
        raise DataError(
            f"row {row} is {votes.usage[row]} in {votes_path} but {rows.usage[row]} in {path}; row i of one belongs "
            "to row i of the other, so give both in their original order"
        )
    return dataclasses.replace(rows, votes=votes.votes, name=votes.name)


def count_rafdb(root: Path) -> dict[str, tuple[int, ...]]:
    """Return the images per class of RAF-DB's two splits, in the order of RAFDB_LABELS, each image decoded once.

    Raises:
        DataError: the list is malformed, or an image is missing or cannot be decoded.
    """
    counts: dict[str, tuple[int, ...]] = {}
    for split in _RAFDB_SPLITS:
        faces = load_rafdb(root, split, _SPEC)
        counts[split] = tuple(np.bincount(faces.targets, minlength=len(RAFDB_LABELS)).tolist())
    return counts
