"""FER2013 with the FER+ votes, from ``fer2013_ferplus_48.npz``.

FER+ labels: Barsoum et al., ICMI 2016 (microsoft/FERPlus). 568 test images are pixel-identical to
training images; the training split here leaves their twins out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.data.faces import Faces, data_root, one_hot
from fer_deploy.data.ferplus import (
    FERPLUS_LABELS,
    PLURALITY,
    PROTOCOLS,
    Protocol,
    ferplus_agreed,
    ferplus_distribution,
)
from fer_deploy.data.preprocess import stack_faces
from fer_deploy.errors import DataError

FILE_NAME = "fer2013_ferplus_48.npz"
#: The order of the ``emotion`` column of the original csv.
FER2013_LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
#: Without fear and disgust, as the paper that the family follows has its 5 classes.
FER2013_5_LABELS = tuple(label for label in FER2013_LABELS if label not in ("disgust", "fear"))
Split = Literal["Training", "PublicTest", "PrivateTest"]
SPLITS: tuple[Split, ...] = ("Training", "PublicTest", "PrivateTest")
#: Type of the values, and the shape behind the row axis, of each array that is read.
_ARRAYS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "images": (np.uint8, (48, 48)),
    "emotion": (np.integer, ()),
    "usage": (np.str_, ()),
    "ferplus_votes": (np.integer, (10,)),
}


@dataclass(frozen=True)
class FerTable:
    """The file's arrays, one row an image: uint8 (N, 48, 48), labels 0..6, split, votes (N, 10) or -1."""

    images: NDArray[np.uint8]
    emotion: NDArray[np.uint8]
    usage: NDArray[np.str_]
    votes: NDArray[np.int16]


def read_table(path: Path) -> FerTable:
    """Return the arrays in the npz at ``path``.

    Raises:
        DataError: the file is missing, damaged or not that file.
    """
    try:
        # Opened here: np.load leaves a damaged file that it has opened itself to the garbage collector.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in _ARRAYS if key in archive}
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist; make it with 'fer-deploy data import', or set FER_DATA to the folder that "
            f"holds {FILE_NAME}"
        ) from None
    # Everything: a damaged archive raises what zipfile, zlib or NumPy's header parser please.
    except Exception as error:
        raise DataError(
            f"{path} cannot be read as an npz file: {error}; copy {FILE_NAME} there again"
        ) from None
    missing = [key for key in _ARRAYS if key not in arrays]
    if missing:
        raise DataError(f"{path} lacks the array(s) {', '.join(missing)}; is it {FILE_NAME}?")
    for key, (kind, tail) in _ARRAYS.items():
        found, want = arrays[key], (*arrays["images"].shape[:1], *tail)
        if found.shape != want or not np.issubdtype(found.dtype, kind):
            raise DataError(
                f"array {key} in {path} has shape {found.shape} of {found.dtype}, "
                f"expected {want} of {kind.__name__}; is it {FILE_NAME}?"
            )
    if not np.isin(arrays["emotion"], np.arange(len(FER2013_LABELS))).all():
        raise DataError(f"array emotion in {path} holds values other than 0 to 6; is it {FILE_NAME}?")
    return FerTable(arrays["images"], arrays["emotion"], arrays["usage"], arrays["ferplus_votes"])


def require_votes(table: FerTable, path: Path | str) -> None:
    """Raise DataError when no row of ``table``, read from ``path``, has FER+ votes, as in an import without them."""
    if not (table.votes > 0).any():
        raise DataError(
            f"{path} holds no FER+ votes; make it again with fer2013new.csv by 'fer-deploy data import', "
            "or use --dataset fer2013"
        )


def leaked_twins(images: NDArray[np.uint8], usage: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return bool (N,): the image has a pixel-identical twin across the training/test border."""
    keys = [image.tobytes() for image in images]
    training = usage == "Training"
    inside = {key for key, flag in zip(keys, training, strict=True) if flag}
    outside = {key for key, flag in zip(keys, training, strict=True) if not flag}
    shared = inside & outside
    return np.array([key in shared for key in keys])


def load_fer2013(
    split: Split,
    spec: InputSpec,
    labels: Literal["ferplus", "fer2013", "fer2013_5"] = "ferplus",
    path: Path | None = None,
    protocol: Protocol | None = None,
) -> Faces:
    """Return one split, preprocessed for ``spec``.

    Args:
        split: "Training" leaves out every image that also occurs in a test split; the two test
            splits are whole, with ``leaked`` marking images that occur in the original training split.
        spec: how the pixels are wanted.
        labels: "ferplus" for the 8-class majority and vote distribution (images whose majority is
            "unknown" or "not a face" are left out), "fer2013" for the 7 original labels, "fer2013_5" for
            the images of 5 of them.
        path: the npz; default ``FER_DATA``'s.
        protocol: which images of "ferplus" count and with which label; None for :data:`PLURALITY`.

    Raises:
        DataError: the file is missing or not that file, has no votes for "ferplus", or the split is unknown; or a
            protocol for labels that nobody voted on.
    """
    if split not in SPLITS:
        raise DataError(f"unknown split '{split}' of FER2013; known: {', '.join(SPLITS)}")
    if protocol is not None and labels != "ferplus":
        raise DataError(
            f"protocol '{protocol}' chooses images by FER+'s votes; the labels of {labels} have none: leave it out"
        )
    table = read_table(path or data_root() / FILE_NAME)
    twins = leaked_twins(table.images, table.usage)
    keep = table.usage == split
    passed_over = {}
    if split == "Training":
        passed_over["also in a test split"] = int((keep & twins).sum())
        keep &= ~twins
    if labels == "ferplus":
        require_votes(table, path or FILE_NAME)
        rule = PROTOCOLS[protocol or PLURALITY]
        targets, valid = rule.apply(table.votes)
        passed_over[rule.passed_over] = int((keep & ~valid).sum())
        keep &= valid
        names: tuple[str, ...] = FERPLUS_LABELS
        distribution = ferplus_distribution(table.votes[keep])
        targets = targets[keep]
    else:
        names = FER2013_LABELS if labels == "fer2013" else FER2013_5_LABELS
        place = np.array([names.index(label) if label in names else -1 for label in FER2013_LABELS])
        passed_over["of another class"] = int((keep & (place[table.emotion] < 0)).sum())
        keep &= place[table.emotion] >= 0
        targets = place[table.emotion[keep]].astype(np.int64)
        distribution = one_hot(targets, len(names))
    rows = np.flatnonzero(keep).astype(np.int64)
    return Faces(
        name=f"{'FER+' if labels == 'ferplus' else 'FER2013'} {split}{_mode(protocol, labels)}",
        labels=names,
        pixels=to_spec(table.images[keep], spec),
        targets=targets,
        distribution=distribution,
        rows=rows,
        leaked=twins[keep] if split != "Training" else np.zeros(len(rows), dtype=bool),
        agreed=ferplus_agreed(table.votes[keep]) if labels == "ferplus" else None,
        passed_over={reason: count for reason, count in passed_over.items() if count},
    )


def _mode(protocol: Protocol | None, labels: str) -> str:
    if labels == "fer2013_5":
        return " (5 classes)"
    return "" if protocol in (None, PLURALITY) else f" ({protocol} mode)"


def to_spec(images: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    """Return grey images uint8 (N, H, W) preprocessed for ``spec``, uint8 (N, C, H, W)."""
    if spec.color == "grey" and (spec.height, spec.width) == images.shape[1:]:
        # Not images[:, None]: its stride of 0 is refused by ExecuTorch.
        return images.reshape(len(images), *spec.shape[1:])
    return stack_faces(
        (Image.fromarray(image) for image in images), len(images), spec, "preprocessing FER2013"
    )
