"""FER2013 as parquet files with encoded images, as data hubs hand it out."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fer_deploy.data.fer2013 import FER2013_LABELS, Split
from fer_deploy.data.imports.names import SPLIT_WORDS, emotion_of, settled, split_of
from fer_deploy.data.imports.pictures import picture
from fer_deploy.data.imports.published import FER2013_COUNTS, merged_counts
from fer_deploy.data.imports.rows import ImportedRows, rows_without_votes
from fer_deploy.errors import DataError, first_line
from fer_deploy.progress import track

#: Names of each column in lower case, the first that is there.
_IMAGE = ("image", "img_bytes", "image_bytes", "img", "bytes")
_LABEL = ("labels", "label", "emotion")
_SPLIT = ("usage", "split")
_BATCH = 500
#: The other order in which copies number the classes.
_BY_ALPHABET = tuple(sorted(FER2013_LABELS))


@dataclass
class _Read:
    """What was read so far; ``unnamed`` are the rows whose label is a number that the file gives no name."""

    pixels: bytearray = field(default_factory=bytearray)
    lossless: list[bool] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    splits: list[Split | None] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    unnamed: list[int] = field(default_factory=list)


def read_parquets(paths: Sequence[Path]) -> ImportedRows:
    """Return the rows of all files in the order given, without votes.

    A file has a column of encoded images (``image`` or ``img_bytes``: bytes, or a struct with ``bytes`` and ``path``)
    and one of labels (``label``, ``labels`` or ``emotion``: class names, or numbers that the file's own metadata name).
    The split is in a column ``usage`` or ``split``, else in the name of the file or its folder.

    Raises:
        DataError: pyarrow is not installed, a file is missing or malformed, or its split cannot be told.
    """
    read = _Read()
    for path in paths:
        _append(path, read)
    source = ", ".join(map(str, paths))
    if not read.labels:
        raise DataError(f"{source} holds no row; download it again")
    usage, notes, merged = settled(read.splits, source)
    notes += _name_numbers(read, usage, source)
    return rows_without_votes(
        read.pixels,
        read.labels,
        usage,
        read.names,
        read.lossless,
        numbered=False,
        notes=notes,
        merged=merged,
    )


def _append(path: Path, read: _Read) -> None:
    file = _open(path)
    image, label = (_column(file, names, path) for names in (_IMAGE, _LABEL))
    split = next((name for name in file.schema_arrow.names if name.lower() in _SPLIT), None)
    word = None if split else _split_word(path)
    names = _class_names(file.schema_arrow.metadata, label)
    for row, values in enumerate(track(_values(file, (image, label, split), path), f"reading {path.name}")):
        where = f"row {row} of {path}"
        encoded, name = _encoded(values[0], where)
        said = word or str(values[2]).strip().lower()
        if said not in SPLIT_WORDS:
            raise DataError(f"{where} has '{said[:20]}' in column '{split}', known: {', '.join(SPLIT_WORDS)}")
        emotion, named = _emotion(values[1], names, f"{where}, column '{label}',")
        content, lossless = picture(io.BytesIO(encoded), where)
        if not named:
            read.unnamed.append(len(read.labels))
        read.splits.append(split_of(said, name, where))
        read.labels.append(emotion)
        read.names.append(name)
        read.pixels += content
        read.lossless.append(lossless)


def _open(path: Path) -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{path} is read by pyarrow, which is not installed; pip install 'fer-deploy[parquet]'"
        ) from None
    try:
        return pyarrow.parquet.ParquetFile(path)
    # Everything: pyarrow's own errors derive from several of Python's.
    except Exception as error:
        raise DataError(f"{path} cannot be read as parquet: {first_line(error)}; download it again") from None


def _column(file: Any, known: Sequence[str], path: Path) -> str:
    there = {name.lower(): name for name in file.schema_arrow.names}
    for name in known:
        if name in there:
            return str(there[name])
    raise DataError(
        f"{path} has no column {' or '.join(known)}, only {file.schema_arrow.names}; is it FER2013 with images?"
    )


def _values(file: Any, columns: Sequence[str | None], path: Path) -> Iterator[tuple[Any, ...]]:
    wanted = [column for column in columns if column]
    try:
        for batch in file.iter_batches(batch_size=_BATCH, columns=wanted):
            lists = [batch.column(column).to_pylist() for column in wanted]
            yield from zip(*lists, strict=True)
    except Exception as error:  # as above; DataErrors of the caller do not pass through here
        raise DataError(f"{path} is damaged: {first_line(error)}; download it again") from None


def _encoded(value: Any, where: str) -> tuple[bytes, str]:
    """Return the image file's content and its path, empty where the row has none."""
    content, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    if not isinstance(content, bytes):
        raise DataError(f"{where} holds no image bytes; download a copy with the images inside")
    return content, path or ""


def _emotion(value: Any, names: Sequence[str] | None, where: str) -> tuple[int, bool]:
    """Return the class 0 to 6, and whether a name says that it is this one."""
    if isinstance(value, int) and names and 0 <= value < len(names):
        value = names[value]
    number = emotion_of(value) if isinstance(value, str) else None
    if number is not None:
        return number, True
    if isinstance(value, int) and names is None and 0 <= value < len(FER2013_LABELS):
        return value, False
    known = f"0 to {len(FER2013_LABELS) - 1} or {', '.join(FER2013_LABELS)}"
    raise DataError(f"{where} has the label '{str(value)[:20]}', expected {known}")


def _class_names(metadata: dict[bytes, bytes] | None, column: str) -> list[str] | None:
    """Return the names that the datasets library writes into a file's metadata, or None."""
    try:
        names = json.loads((metadata or {})[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) else None


def _split_word(path: Path) -> str:
    """Return the one word of a file's name that names a split, else its folder's whole name."""
    words = set(re.split("[^a-z]+", path.stem.lower())) & set(SPLIT_WORDS)
    if len(words) == 1:
        return words.pop()
    folder = path.absolute().parent.name.lower()
    if folder in SPLIT_WORDS and not words:
        return folder
    raise DataError(
        f"{path} has no column usage or split, and its name tells none; name it after its split, e.g. train.parquet"
    )


def _name_numbers(read: _Read, usage: Sequence[Split], source: str) -> list[str]:
    """Settle labels that are numbers without names, in place, and return what is to be said of it."""
    if not read.unnamed:
        return []
    orders = (FER2013_LABELS, _BY_ALPHABET)
    fitting = [order for order in orders if _fits(read, usage, order)]
    order = fitting[0] if fitting else FER2013_LABELS
    for row in read.unnamed:
        read.labels[row] = FER2013_LABELS.index(order[read.labels[row]])
    proof = "by their counts" if fitting else "which nothing in the file confirms: compare some images"
    return [f"the labels in {source} are numbers without names, taken for {', '.join(order)}, {proof}"]


def _fits(read: _Read, usage: Sequence[Split], order: Sequence[str]) -> bool:
    """Return whether a split's unnamed numbers, in that order, have the published counts."""
    published = {*FER2013_COUNTS.values(), merged_counts()}
    for split in set(usage):
        counts = [0] * len(order)
        for row in read.unnamed:
            if usage[row] == split:
                counts[FER2013_LABELS.index(order[read.labels[row]])] += 1
        if tuple(counts) in published:
            return True
    return False
