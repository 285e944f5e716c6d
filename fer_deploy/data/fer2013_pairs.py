"""FER2013 with both of its label sets at once, for networks that learn them side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.faces import data_root
from fer_deploy.data.fer2013 import FER2013_LABELS, FILE_NAME, Split, leaked_twins, read_table, require_votes
from fer_deploy.data.ferplus import FERPLUS_LABELS, ferplus_agreed, ferplus_distribution, ferplus_majority
from fer_deploy.errors import DataError


@dataclass(frozen=True)
class PairedFaces:
    """Every image of one split, with the labels of FER+ and of FER2013.

    Attributes:
        pixels: uint8 (N, 1, 48, 48).
        rows: int64 (N,), row in the npz.
        distribution: float32 (N, 8), the FER+ votes for emotions; rows sum to 1, or to 0 where there is none.
        target: int64 (N,), the most-voted of FER+'s ten columns.
        valid: bool (N,), that column is one of the eight emotions.
        agreed: bool (N,), more than half of the votes are for one column.
        fer2013: int64 (N,), the FER2013 label, 0..6.
        no_face: float32 (N,), share of the votes that are for "unknown" or "not a face", 0..1.
    """

    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    distribution: NDArray[np.float32]
    target: NDArray[np.int64]
    valid: NDArray[np.bool_]
    agreed: NDArray[np.bool_]
    fer2013: NDArray[np.int64]
    no_face: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pixels)

    def first(self, count: int) -> PairedFaces:
        """Return the first ``count`` images."""
        return PairedFaces(**{name: value[:count] for name, value in vars(self).items()})


#: Logits of a network with both label sets and the answer "no face", in this order.
NO_FACE = len(FERPLUS_LABELS) + len(FER2013_LABELS)


def no_face_share(votes: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return float32 (N,): the share of votes (N, 10) for "unknown" or "not a face"; 0 for rows without votes."""
    counts = votes.clip(min=0).astype(np.float32)
    share: NDArray[np.float32] = counts[:, len(FERPLUS_LABELS) :].sum(1) / counts.sum(1).clip(min=1)
    return share


def load_pairs(split: Split, path: Path | None = None) -> PairedFaces:
    """Return one split, "Training" without the images that also occur in a test split.

    Args:
        split: one of FER2013's.
        path: the npz; default ``FER_DATA``'s.

    Raises:
        DataError: the file is missing, not that file, without votes, or holds no image of the split.
    """
    table = read_table(path or data_root() / FILE_NAME)
    require_votes(table, path or FILE_NAME)
    keep = table.usage == split
    if split == "Training":
        keep &= ~leaked_twins(table.images, table.usage)
    if not keep.any():
        raise DataError(f"{path or FILE_NAME} holds no image of {split}; is it {FILE_NAME}?")
    votes = table.votes[keep]
    target, valid = ferplus_majority(votes)
    return PairedFaces(
        pixels=table.images[keep][:, None].copy(),
        rows=np.flatnonzero(keep).astype(np.int64),
        distribution=ferplus_distribution(votes),
        target=target,
        valid=valid,
        agreed=ferplus_agreed(votes),
        fer2013=table.emotion[keep].astype(np.int64),
        no_face=no_face_share(votes),
    )
