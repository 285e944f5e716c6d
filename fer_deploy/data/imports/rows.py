"""What every reader of a source returns, and the npz that is made of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.fer2013 import Split

#: Width and height of FER2013's images.
SIDE = 48
#: FER+'s vote columns: eight emotions, unknown, not a face.
VOTE_COLUMNS = 10
#: Row number of an image that comes from no csv, as the npz has it.
NO_ROW = -1


@dataclass(frozen=True)
class ImportedRows:
    """The arrays of the npz, one row an image.

    Attributes:
        images: uint8 (N, 48, 48), grey.
        emotion: uint8 (N,), 0 to 6 in the order of FER2013_LABELS.
        usage: str (N,), Training, PublicTest or PrivateTest.
        votes: int16 (N, 10), FER+'s votes; all 0 where there are none.
        csv_row: int32 (N,), row of fer2013.csv from 0; -1 where the source is no csv.
        name: str (N,), FER+'s image name, or the path in the source; empty where there is none.
        lossless: bool (N,), the pixels come from a csv or from a format that loses none.
        notes: what was decided or passed over on the way, for people.
        merged: PrivateTest holds PublicTest as well, since the source does not tell them apart.
    """

    images: NDArray[np.uint8]
    emotion: NDArray[np.uint8]
    usage: NDArray[np.str_]
    votes: NDArray[np.int16]
    csv_row: NDArray[np.int32]
    name: NDArray[np.str_]
    lossless: NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    merged: bool = False

    def __len__(self) -> int:
        return len(self.images)


def rows_without_votes(
    pixels: bytes | bytearray,
    emotion: Sequence[int],
    usage: Sequence[Split],
    name: Sequence[str],
    lossless: Sequence[bool],
    *,
    numbered: bool,
    notes: Sequence[str] = (),
    merged: bool = False,
) -> ImportedRows:
    """Return the rows of a source that holds no votes.

    ``pixels`` are the images' 48 x 48 grey bytes, one image after the other; ``numbered`` says that the rows are
    those of fer2013.csv, in its order.
    """
    count = len(emotion)
    rows = np.arange(count) if numbered else np.full(count, NO_ROW)
    return ImportedRows(
        images=np.frombuffer(bytes(pixels), dtype=np.uint8).reshape(count, SIDE, SIDE),
        emotion=np.array(emotion, dtype=np.uint8),
        usage=np.array(usage, dtype=np.str_),
        votes=np.zeros((count, VOTE_COLUMNS), dtype=np.int16),
        csv_row=rows.astype(np.int32),
        name=np.array(name, dtype=np.str_),
        lossless=np.array(lossless, dtype=np.bool_),
        notes=tuple(notes),
        merged=merged,
    )


def ambiguous_duplicates(images: NDArray[np.uint8], emotion: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return bool (N,): the image occurs pixel for pixel under another label too, in whatever split."""
    keys = [image.tobytes() for image in images]
    labels: dict[bytes, set[int]] = {}
    for key, label in zip(keys, emotion.tolist(), strict=True):
        labels.setdefault(key, set()).add(label)
    return np.array([len(labels[key]) > 1 for key in keys], dtype=np.bool_)


def npz_bytes(rows: ImportedRows) -> bytes:
    """Return the compressed npz, with the keys and types of ``fer2013_ferplus_48.npz``."""
    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        images=rows.images,
        emotion=rows.emotion,
        usage=rows.usage,
        name=rows.name,
        ferplus_votes=rows.votes,
        csv_row=rows.csv_row,
        lossless=rows.lossless,
        ambiguous_dup=ambiguous_duplicates(rows.images, rows.emotion),
    )
    return stream.getvalue()
