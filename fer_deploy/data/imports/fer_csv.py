"""``fer2013.csv``, which is ``icml_face_data.csv`` too, and FER+'s ``fer2013new.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.fer2013 import FER2013_LABELS, SPLITS, Split
from fer_deploy.data.imports.rows import SIDE, VOTE_COLUMNS, ImportedRows, rows_without_votes
from fer_deploy.errors import DataError
from fer_deploy.progress import track

#: Columns of FER2013's csv, in lower case; in ``icml_face_data.csv`` two have a blank in front.
FER_COLUMNS = ("emotion", "usage", "pixels")
#: Columns of FER+'s csv, in lower case; the last ten are the votes, in the order of the npz.
VOTES_COLUMNS = (
    "usage", "image name", "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt",
    "unknown", "nf",
)  # fmt: skip
_EMOTIONS = {str(number): number for number in range(len(FER2013_LABELS))}
_GREYS = {str(value): value for value in range(256)}
#: Ten people tagged each image.
_VOTES = {str(number): number for number in range(11)}
_SPLITS: dict[str, Split] = {split: split for split in SPLITS}
_PIXELS = SIDE * SIDE
_AGAIN = "download the file again"


@dataclass(frozen=True)
class VoteRows:
    """FER+'s csv: split str (N,), image name str (N,), empty where a row has none, and votes int16 (N, 10)."""

    usage: NDArray[np.str_]
    name: NDArray[np.str_]
    votes: NDArray[np.int16]


def header_of(path: Path) -> tuple[str, ...]:
    """Return the names in a csv's first line, stripped and in lower case.

    Raises:
        DataError: the file is missing, empty or no UTF-8 text.
    """
    return next(_lines(path))[1]


def read_fer_csv(path: Path) -> ImportedRows:
    """Return FER2013's rows in the file's order, lossless and without votes.

    Raises:
        DataError: the file is missing or malformed; the message names line and column.
    """
    pixels, emotions, usages = bytearray(), list[int](), list[Split]()
    for where, (emotion, usage, values) in _records(path, FER_COLUMNS):
        emotions.append(_value(_EMOTIONS, emotion, where, "emotion", "0 to 6"))
        usages.append(_split(usage, where))
        pixels += _image(values, where)
    count = len(emotions)
    return rows_without_votes(pixels, emotions, usages, [""] * count, [True] * count, numbered=True)


def read_votes_csv(path: Path) -> VoteRows:
    """Return FER+'s rows in the file's order, which is that of fer2013.csv.

    Raises:
        DataError: the file is missing or malformed; the message names line and column.
    """
    usages, names, votes = list[Split](), list[str](), list[list[int]]()
    for where, (usage, name, *cells) in _records(path, VOTES_COLUMNS):
        usages.append(_split(usage, where))
        names.append(name.strip())
        columns = zip(VOTES_COLUMNS[-VOTE_COLUMNS:], cells, strict=True)
        votes.append([_value(_VOTES, cell, where, column, "0 to 10") for column, cell in columns])
    return VoteRows(np.array(usages), np.array(names, dtype=np.str_), np.array(votes, dtype=np.int16))


def _image(values: str, where: str) -> bytes:
    cells = values.split()
    if len(cells) != _PIXELS:
        raise DataError(
            f"{where} has {len(cells):,} values in column 'pixels', expected {_PIXELS:,} ({SIDE}x{SIDE}); {_AGAIN}"
        )
    try:
        return bytes(map(_GREYS.__getitem__, cells))
    except KeyError as error:
        value = str(error.args[0])[:20]
        raise DataError(
            f"{where} has '{value}' in column 'pixels', expected values 0 to 255; {_AGAIN}"
        ) from None


def _value(known: dict[str, int], cell: str, where: str, column: str, expected: str) -> int:
    value = known.get(cell.strip())
    if value is None:
        raise DataError(f"{where} has '{cell[:20]}' in column '{column}', expected {expected}; {_AGAIN}")
    return value


def _split(cell: str, where: str) -> Split:
    split = _SPLITS.get(cell.strip())
    if split is None:
        raise DataError(f"{where} has '{cell[:20]}' in column 'Usage', known: {', '.join(SPLITS)}; {_AGAIN}")
    return split


def _records(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield where each row stands and its cells of ``columns``, in that order; blank lines are no rows."""
    lines = _lines(path)
    _, header = next(lines)
    for column in columns:
        if header.count(column) != 1:
            what = "no column" if column not in header else "more than one column"
            raise DataError(f"line 1 of {path} has {what} '{column}', only {list(header)}; {_AGAIN}")
    places = [header.index(column) for column in columns]
    number = 1
    for number, cells in track(lines, f"reading {path.name}"):
        if len(cells) != len(header):
            raise DataError(
                f"line {number} of {path} has {len(cells)} columns, expected {len(header)}; {_AGAIN}"
            )
        yield f"line {number} of {path}", [cells[place] for place in places]
    if number == 1:
        raise DataError(f"{path} holds no row below its header; {_AGAIN}")


def _lines(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield line number and cells, the header's stripped and in lower case first."""
    number = 1
    try:
        # spreadsheets begin UTF-8 with a mark
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            header = next(reader, None)
            if not header:
                raise DataError(f"{path} is empty or its first line is; {_AGAIN}")
            yield 1, tuple(cell.strip().lower()[:40] for cell in header)
            for cells in reader:
                number = reader.line_num
                if cells:
                    yield number, tuple(cells)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; give the file that you downloaded") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text after line {number}: {error.reason}; {_AGAIN}") from None
    except csv.Error as error:
        raise DataError(f"{path} is no csv after line {number}: {error}; {_AGAIN}") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; give a csv file") from None
