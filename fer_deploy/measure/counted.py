"""Figures that follow from the answer to each image alone: counted once when they are measured, again when checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fer_deploy.data.faces import Faces
from fer_deploy.frozen import Frozen
from fer_deploy.measure.figures import ClassFigures, Flip
from fer_deploy.measure.measurement import Interval, Measurement, Unit, measured, not_measured
from fer_deploy.measure.power import smallest_drop
from fer_deploy.measure.statistics import bonferroni_z, mcnemar_exact, paired_drop_interval, wilson_interval

Classes = NDArray[np.int64]
#: Why there is no accuracy on drawn faces.
NO_PEOPLE = (
    "the faces are drawn by code, and answers to them tell nothing of people: name a data set of your own, or get FER+ "
    "and `fer-deploy data import` it"
)


@dataclass(frozen=True)
class Truth:
    """What is known of the test images beside their pixels.

    Attributes:
        labels: class names, in the order of the indices.
        targets: int64 (N,), class indices.
        leaked: bool (N,), True where the image has a twin in the training split.
        agreed: bool (N,), True where most annotators agree, or None without votes.
        training_unknown: why ``leaked`` is not known; None where it is.
        drawn: no photograph is behind the images, and accuracy on them says nothing.
    """

    labels: tuple[str, ...]
    targets: Classes
    leaked: NDArray[np.bool_]
    agreed: NDArray[np.bool_] | None
    training_unknown: str | None = None
    drawn: bool = False

    @classmethod
    def of(cls, faces: Faces) -> Truth:
        """Return what is known of ``faces``."""
        return cls(
            faces.labels, faces.targets, faces.leaked, faces.agreed, faces.training_unknown, faces.drawn
        )


class ImageAnswers(Frozen):
    """The label of every test image and what each model answered, in the order of the data set.

    Class indices are base64 of one byte each, of two (little-endian) where there are more than 256 classes; flags are
    base64 of one bit each, padded with 0.
    """

    targets: str
    leaked: str = Field(description="1: has a twin in the training split")
    agreed: str | None = Field(description="1: most annotators agree; None: images without votes")
    training_unknown: str | None = Field(default=None, description="why leaked is not known")
    drawn: bool = Field(default=False, description="the images are drawn by code, and accuracy says nothing")
    float_model: str
    artifacts: dict[str, str] = Field(description="by target-recipe; left out where none could be had")

    @classmethod
    def of(cls, truth: Truth, float_model: Classes, artifacts: Mapping[str, Classes]) -> ImageAnswers:
        """Return the stored form; answers are class indices int64 (N,)."""
        count = len(truth.labels)
        return cls(
            targets=_packed(truth.targets, count),
            leaked=packed_flags(truth.leaked),
            agreed=None if truth.agreed is None else packed_flags(truth.agreed),
            training_unknown=truth.training_unknown,
            drawn=truth.drawn,
            float_model=_packed(float_model, count),
            artifacts={key: _packed(answers, count) for key, answers in artifacts.items()},
        )

    def truth(self, labels: tuple[str, ...], images: int) -> Truth:
        """Return what is known of so many images; ValueError where the stored form is of another number."""
        return Truth(
            labels,
            _unpacked(self.targets, images, len(labels)),
            unpacked_flags(self.leaked, images),
            None if self.agreed is None else unpacked_flags(self.agreed, images),
            self.training_unknown,
            self.drawn,
        )

    def answers(self, key: str | None, labels: tuple[str, ...], images: int) -> Classes:
        """Return an artifact's class indices int64 (N,), of None the float model's.

        Raises:
            KeyError: there are none of that artifact.
            ValueError: the stored form is of another number of images or classes.
        """
        return _unpacked(self.float_model if key is None else self.artifacts[key], images, len(labels))


def counted_accuracy(answers: Classes, truth: Truth) -> dict[str, Any]:
    """Return the fields of ``AccuracyFigures`` that follow from class indices int64 (N,); none of drawn faces."""
    if truth.drawn:
        return unknown_accuracy(truth, NO_PEOPLE)
    right = answers == truth.targets
    classes = len(truth.labels)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (truth.targets, answers), 1)
    figures = tuple(
        ClassFigures(
            label=label,
            images=int((truth.targets == index).sum()),
            recall=proportion(right[truth.targets == index]),
        )
        for index, label in enumerate(truth.labels)
    )
    recalls = [figure.recall.value for figure in figures if figure.recall.value is not None]
    return {
        "accuracy": proportion(right),
        "accuracy_without_leaked": (
            proportion(right[~truth.leaked], {"left out": "images also in training"})
            if truth.training_unknown is None
            else not_measured(
                Unit.FRACTION, f"which images are also in training is not known: {truth.training_unknown}"
            )
        ),
        "accuracy_where_agreed": (
            proportion(right[truth.agreed], {"left out": "images without an absolute majority"})
            if truth.agreed is not None
            else None
        ),
        "balanced_accuracy": measured(
            sum(recalls) / len(recalls), Unit.FRACTION, conditions={"classes": len(recalls)}
        ),
        "classes": figures,
        "confusion": tuple(tuple(int(cell) for cell in row) for row in confusion),
        "correct": packed_flags(right),
    }


def unknown_accuracy(truth: Truth, reason: str) -> dict[str, Any]:
    """Return the same fields where accuracy cannot be known."""
    gap = not_measured(Unit.FRACTION, reason)
    counts = np.bincount(truth.targets, minlength=len(truth.labels))
    return {
        "accuracy": gap,
        "accuracy_without_leaked": gap,
        "accuracy_where_agreed": gap if truth.agreed is not None else None,
        "balanced_accuracy": gap,
        "classes": tuple(
            ClassFigures(label=label, images=int(count), recall=gap)
            for label, count in zip(truth.labels, counts, strict=True)
        ),
        "confusion": (),
        "correct": None,
    }


def counted_parity(
    first: Classes, second: Classes, truth: Truth, rows: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """Return the fields of ``ParityFigures`` that follow from the float model's and an artifact's class indices (N,).

    ``rows`` name the images in the source; None: by their position. On drawn faces agreement and flips are counted
    alone: the others are about right answers.
    """
    named = np.arange(len(first)) if rows is None else rows
    flips = tuple(
        Flip(
            row=int(named[index]),
            label=truth.labels[int(truth.targets[index])],
            reference=truth.labels[int(first[index])],
            artifact=truth.labels[int(second[index])],
        )
        for index in np.flatnonzero(first != second)
    )
    agreement = {"agreement": proportion(first == second), "flips": flips}
    return {**agreement, **(unknown_drop(NO_PEOPLE) if truth.drawn else _drop(first, second, truth))}


def unknown_drop(reason: str) -> dict[str, Any]:
    """Return the fields of ``ParityFigures`` about right answers, where these cannot be known."""
    return {
        "drop": not_measured(Unit.POINTS, reason),
        "lost": None,
        "gained": None,
        "smallest_drop": not_measured(Unit.POINTS, reason),
        "mcnemar_p": None,
        "worst_class_drop": not_measured(Unit.POINTS, reason),
        "worst_class": None,
    }


def _drop(first: Classes, second: Classes, truth: Truth) -> dict[str, Any]:
    right_first, right_second = first == truth.targets, second == truth.targets
    lost, gained = int((right_first & ~right_second).sum()), int((~right_first & right_second).sum())
    worst, worst_drop = _worst_class(right_first, right_second, truth)
    return {
        "drop": drop_measurement(lost, gained, len(first)),
        "lost": lost,
        "gained": gained,
        "smallest_drop": measured(
            100 * smallest_drop(len(first), (lost + gained) / len(first)),
            Unit.POINTS,
            conditions={"images": len(first), "right for one only": lost + gained},
        ),
        "mcnemar_p": mcnemar_exact(lost, gained),
        "worst_class_drop": worst_drop,
        "worst_class": worst,
    }


def proportion(flags: NDArray[np.bool_], conditions: dict[str, str] | None = None) -> Measurement:
    """Return the share of True as a measured fraction with its Wilson interval."""
    if len(flags) == 0:
        return not_measured(Unit.FRACTION, "no image of this kind in the test set")
    right = int(flags.sum())
    return measured(
        right / len(flags),
        Unit.FRACTION,
        wilson_interval(right, len(flags)),
        {"images": str(len(flags)), **(conditions or {})},
    )


def drop_measurement(
    lost: int, gained: int, images: int, comparisons: int = 1, conditions: dict[str, str] | None = None
) -> Measurement:
    """Return a paired drop in points with its interval, widened for so many ``comparisons`` at once."""
    bound = paired_drop_interval(lost, gained, images, bonferroni_z(comparisons))
    together = "" if comparisons == 1 else f" (95 % over {comparisons} classes together, Bonferroni)"
    return measured(
        100 * (lost - gained) / images,
        Unit.POINTS,
        Interval(low=100 * bound.low, high=100 * bound.high, method=bound.method + together),
        {"images": str(images), **(conditions or {})},
    )


def _worst_class(
    right_first: NDArray[np.bool_], right_second: NDArray[np.bool_], truth: Truth
) -> tuple[str, Measurement]:
    """Return the class whose recall drops most, and that drop; classes without images do not take part."""
    counts = {
        index: (
            int((mask & right_first & ~right_second).sum()),
            int((mask & ~right_first & right_second).sum()),
            int(mask.sum()),
        )
        for index in range(len(truth.labels))
        if (mask := truth.targets == index).any()
    }
    worst = max(counts, key=lambda index: (counts[index][0] - counts[index][1]) / counts[index][2])
    label = truth.labels[worst]
    return label, drop_measurement(*counts[worst], len(counts), {"class": label})


def _packed(indices: Classes, classes: int) -> str:
    return base64.b64encode(indices.astype(_type(classes)).tobytes()).decode()


def _unpacked(text: str, images: int, classes: int) -> Classes:
    indices = np.frombuffer(_raw(text), dtype=_type(classes)).astype(np.int64)
    if len(indices) != images:
        raise ValueError(f"they are of {len(indices)} images")
    if images and int(indices.max()) >= classes:
        raise ValueError(f"one is of class {int(indices.max())} of {classes}, from 0")
    return indices


def packed_flags(flags: NDArray[np.bool_]) -> str:
    """Return base64 of flags (N,), one bit each."""
    return base64.b64encode(np.packbits(flags).tobytes()).decode()


def unpacked_flags(text: str, images: int) -> NDArray[np.bool_]:
    """Return the flags (N,) again, or raise ValueError if they are of another number of images."""
    raw = np.frombuffer(_raw(text), dtype=np.uint8)
    if len(raw) != (images + 7) // 8:
        raise ValueError(f"flags are of about {8 * len(raw)} images")
    return np.unpackbits(raw)[:images].astype(np.bool_)


def _type(classes: int) -> str:
    return "<u1" if classes <= 256 else "<u2"


def _raw(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("they are not base64") from None
