"""What every loader returns: faces already preprocessed by a contract's input specification."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import DataError

#: Environment variable that names the folder with the FER2013 / FER+ npz.
DATA_VARIABLE = "FER_DATA"
#: Why a loader of a single split does not know which images are in training.
ONE_SPLIT_ONLY = "one split was read alone"
_DEFAULT_ROOT = Path("../shared/data")


@dataclass(frozen=True)
class Faces:
    """Labelled faces of one split.

    Attributes:
        name: dataset and split, for people.
        labels: class names, in the order of the targets.
        pixels: uint8 (N, C, H, W), as the contract wants them before normalisation.
        targets: int64 (N,), class indices.
        distribution: float32 (N, len(labels)), each row sums to 1; one-hot where only a label is known.
        rows: int64 (N,), row or file index in the source, by which reports name images.
        leaked: bool (N,), True where a pixel-identical image is in the training split.
        agreed: bool (N,), True where more than half of the annotators' votes are for the target; None where an image
            has one label and no votes.
        passed_over: what was not read of this split, reason to number.
        training_unknown: why nobody knows which images are in the training split, ``leaked`` being False everywhere
            then; None where ``leaked`` says it.
        drawn: True where no photograph is behind the images: whether answers to them are right tells nothing of people.
    """

    name: str
    labels: tuple[str, ...]
    pixels: NDArray[np.uint8]
    targets: NDArray[np.int64]
    distribution: NDArray[np.float32]
    rows: NDArray[np.int64]
    leaked: NDArray[np.bool_]
    agreed: NDArray[np.bool_] | None = None
    passed_over: Mapping[str, int] = field(default_factory=dict)
    training_unknown: str | None = None
    drawn: bool = False

    def __post_init__(self) -> None:
        count = len(self.pixels)
        if count == 0:
            raise DataError(f"{self.name} holds no usable image")
        for array in (self.targets, self.distribution, self.rows, self.leaked, self.agreed):
            if array is not None and len(array) != count:
                raise DataError(f"{self.name} has {count} images but {len(array)} labels")

    def __len__(self) -> int:
        return len(self.pixels)

    def subset(self, index: NDArray[np.int64] | NDArray[np.bool_], name: str | None = None) -> Faces:
        """Return the faces at ``index`` (positions or a mask), in that order."""
        return Faces(
            name=name or self.name,
            labels=self.labels,
            pixels=self.pixels[index],
            targets=self.targets[index],
            distribution=self.distribution[index],
            rows=self.rows[index],
            leaked=self.leaked[index],
            agreed=None if self.agreed is None else self.agreed[index],
            passed_over=self.passed_over,
            training_unknown=self.training_unknown,
            drawn=self.drawn,
        )


def one_hot(targets: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return float32 (N, classes) with a 1 at each target."""
    return np.eye(classes, dtype=np.float32)[targets]


def data_root() -> Path:
    """Return the folder with the FER data: ``$FER_DATA``, else ``../shared/data`` when it exists.

    Raises:
        DataError: neither exists.
    """
    named = os.environ.get(DATA_VARIABLE)
    if named:
        root = Path(named)
        if not root.is_dir():
            raise DataError(f"{DATA_VARIABLE} names {root}, which is not a folder")
        return root
    if _DEFAULT_ROOT.is_dir():
        return _DEFAULT_ROOT
    raise DataError(
        f"no FER data: set {DATA_VARIABLE} to the folder that holds fer2013_ferplus_48.npz, which "
        f"'fer-deploy data import' makes ({_DEFAULT_ROOT} does not exist here)"
    )
