"""What became of a data set's images: read, passed over and why, repeated, under two labels, in training too."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fer_deploy.data.faces import Faces
from fer_deploy.frozen import Frozen, Unknown


class Account(Frozen):
    """Every image of one split, accounted for. Two images are the same when their network pixels are."""

    images: int = Field(description="images read")
    passed_over: dict[str, int] = Field(
        default_factory=dict, description="reason to number of files or images"
    )
    repeated: int = Field(description="images that an earlier one of the split equals")
    two_labels: int = Field(description="images that occur in the split under another label too")
    in_training: int | Unknown = Field(description="images that occur in the training split too")

    @property
    def sentence(self) -> str:
        """All of it in one line, for people."""
        over = ", ".join(f"{count:,} {reason}" for reason, count in self.passed_over.items())
        training = (
            f"whether any is in the training split is not known: {self.in_training.reason}"
            if isinstance(self.in_training, Unknown)
            else f"{self.in_training:,} in the training split too"
        )
        return (
            f"{self.images:,} images read; passed over: {over or 'none'}; {self.repeated:,} repeat an earlier one, "
            f"{self.two_labels:,} under two labels, {training}"
        )


def account_of(faces: Faces) -> Account:
    """Return the account of one split as it was loaded."""
    keys = _keys(faces.pixels)
    labels: defaultdict[bytes, set[int]] = defaultdict(set)
    for key, target in zip(keys, faces.targets.tolist(), strict=True):
        labels[key].add(target)
    unknown = faces.training_unknown
    return Account(
        images=len(faces),
        passed_over=dict(faces.passed_over),
        repeated=len(keys) - len(labels),
        two_labels=sum(count for key, count in Counter(keys).items() if len(labels[key]) > 1),
        in_training=int(faces.leaked.sum()) if unknown is None else Unknown(reason=unknown),
    )


def also_in(faces: Faces, training: Faces) -> NDArray[np.bool_]:
    """Return bool (N,): the image, as a network sees it, is in ``training`` too."""
    there = set(_keys(training.pixels))
    return np.array([key in there for key in _keys(faces.pixels)], dtype=bool)


def _keys(pixels: NDArray[np.uint8]) -> list[bytes]:
    """Return a digest of each image, so that a large training split is not kept twice in memory."""
    return [hashlib.blake2b(np.ascontiguousarray(one).tobytes(), digest_size=16).digest() for one in pixels]


def faces_digest(faces: Faces) -> str:
    """Return the hex SHA-256 of the images themselves: pixels, labels, order. Neither their path nor what is in the
    training split is of it, so that the same images stay the same.
    """
    digest = hashlib.sha256(json.dumps([faces.labels, list(faces.pixels.shape)]).encode())
    for array in (faces.pixels, faces.targets, faces.rows):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
