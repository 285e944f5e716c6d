"""Accuracy of one set of logits, and the paired comparison of two on the same images."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.errors import ModelError
from fer_deploy.measure.figures import (
    AccuracyFigures,
    ClassFigures,
    Flip,
    ParityFigures,
    ReliabilityBin,
    TargetParity,
)
from fer_deploy.measure.measurement import Interval, Measurement, Unit, measured, not_measured
from fer_deploy.measure.statistics import (
    bonferroni_z,
    expected_calibration_error,
    mcnemar_exact,
    paired_drop_interval,
    reliability,
    wilson_interval,
)

Logits = NDArray[np.float32]
#: Standard deviation of a logit over images below which a model is taken for untrained. Trained nets
#: of the family show 1 to 3; at random initialisation it is about 0.01.
MIN_LOGIT_SPREAD = 0.05


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


def require_spread(logits: Logits, source: str) -> None:
    """Raise ModelError when logits (N, K) hardly depend on the image: parity would prove nothing."""
    spread = float(logits.std(axis=0).max())
    if not spread >= MIN_LOGIT_SPREAD:
        raise ModelError(
            f"the logits of {source} hardly depend on the image (spread {spread:.2g}, at least "
            f"{MIN_LOGIT_SPREAD} expected); is the model trained, and the contract's mean and std right?"
        )


def _require_finite(logits: Logits) -> None:
    """Raise ModelError when a logit is NaN or infinite: its argmax would count as an answer."""
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken:
        raise ModelError(
            f"{broken} of {len(logits)} images get logits that are not finite; the model or its lowering overflows"
        )


def accuracy_figures(logits: Logits, faces: Faces) -> AccuracyFigures:
    """Return how logits (N, K) classify ``faces``.

    Raises:
        ModelError: a logit is not finite.
    """
    _require_finite(logits)
    predicted = logits.argmax(axis=1)
    right = predicted == faces.targets
    classes = len(faces.labels)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (faces.targets, predicted), 1)
    figures = []
    for index, label in enumerate(faces.labels):
        of_class = faces.targets == index
        figures.append(
            ClassFigures(label=label, images=int(of_class.sum()), recall=proportion(right[of_class]))
        )
    bins = reliability(logits, faces.targets)
    recalls = [figure.recall.value for figure in figures if figure.recall.value is not None]
    return AccuracyFigures(
        accuracy=proportion(right),
        accuracy_without_leaked=(
            proportion(right[~faces.leaked], {"left out": "images also in training"})
            if faces.training_unknown is None
            else not_measured(
                Unit.FRACTION, f"which images are also in training is not known: {faces.training_unknown}"
            )
        ),
        accuracy_where_agreed=(
            proportion(right[faces.agreed], {"left out": "images without an absolute majority"})
            if faces.agreed is not None
            else None
        ),
        balanced_accuracy=measured(
            sum(recalls) / len(recalls), Unit.FRACTION, conditions={"classes": len(recalls)}
        ),
        ece=measured(expected_calibration_error(bins), Unit.FRACTION, conditions={"images": len(faces)}),
        classes=tuple(figures),
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
        reliability=tuple(ReliabilityBin(**vars(one)) for one in bins),
        correct=base64.b64encode(np.packbits(right).tobytes()).decode(),
    )


def parity_figures(reference: Logits, other: Logits, faces: Faces) -> ParityFigures:
    """Return how an artifact's logits (N, K) differ from the float model's on the same faces.

    Raises:
        ModelError: a logit is not finite.
    """
    _require_finite(reference)
    _require_finite(other)
    first, second = reference.argmax(axis=1), other.argmax(axis=1)
    right_first, right_second = first == faces.targets, second == faces.targets
    lost, gained = int((right_first & ~right_second).sum()), int((~right_first & right_second).sum())
    worst, worst_drop = _worst_class(right_first, right_second, faces)
    difference = np.abs(reference.astype(np.float64) - other.astype(np.float64))
    noise = float(np.square(difference).sum())
    signal = float(np.square(reference.astype(np.float64)).sum())
    changed = np.flatnonzero(first != second)
    return ParityFigures(
        drop=drop_measurement(lost, gained, len(faces)),
        lost=lost,
        gained=gained,
        mcnemar_p=mcnemar_exact(lost, gained),
        agreement=proportion(first == second),
        worst_class_drop=worst_drop,
        worst_class=worst,
        max_logit_difference=measured(float(difference.max()), Unit.LOGITS),
        rms_logit_difference=measured(float(np.sqrt(np.square(difference).mean())), Unit.LOGITS),
        sqnr=(
            measured(10 * np.log10(signal / noise), Unit.DECIBEL)
            if noise > 0 and signal > 0
            else not_measured(
                Unit.DECIBEL,
                "the logits are equal, the ratio is infinite"
                if noise == 0
                else "the reference's logits are all zero",
            )
        ),
        flips=tuple(
            Flip(
                row=int(faces.rows[index]),
                label=faces.labels[int(faces.targets[index])],
                reference=faces.labels[int(first[index])],
                artifact=faces.labels[int(second[index])],
            )
            for index in changed
        ),
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
    right_first: NDArray[np.bool_], right_second: NDArray[np.bool_], faces: Faces
) -> tuple[str, Measurement]:
    """Return the class whose recall drops most, and that drop; classes without images do not take part."""
    counts = {
        index: (
            int((mask & right_first & ~right_second).sum()),
            int((mask & ~right_first & right_second).sum()),
            int(mask.sum()),
        )
        for index in range(len(faces.labels))
        if (mask := faces.targets == index).any()
    }
    worst = max(counts, key=lambda index: (counts[index][0] - counts[index][1]) / counts[index][2])
    label = faces.labels[worst]
    return label, drop_measurement(*counts[worst], len(counts), {"class": label})


def target_parity(recipe: str, first: str, second: str, logits: tuple[Logits, Logits]) -> TargetParity:
    """Return the agreement of two targets' logits (N, K) on the same images."""
    return TargetParity(
        recipe=recipe,
        first=first,
        second=second,
        agreement=proportion(logits[0].argmax(axis=1) == logits[1].argmax(axis=1)),
        max_logit_difference=measured(float(np.abs(logits[0] - logits[1]).max()), Unit.LOGITS),
    )


def missing_accuracy(faces: Faces, reason: str) -> AccuracyFigures:
    """Return accuracy figures that are all "not measured" for one reason."""
    gap = not_measured(Unit.FRACTION, reason)
    counts = np.bincount(faces.targets, minlength=len(faces.labels))
    return AccuracyFigures(
        accuracy=gap,
        accuracy_without_leaked=gap,
        accuracy_where_agreed=gap if faces.agreed is not None else None,
        balanced_accuracy=gap,
        ece=gap,
        classes=tuple(
            ClassFigures(label=label, images=int(count), recall=gap)
            for label, count in zip(faces.labels, counts, strict=True)
        ),
    )


def missing_parity(reason: str) -> ParityFigures:
    """Return parity figures that are all "not measured" for one reason."""
    return ParityFigures(
        drop=not_measured(Unit.POINTS, reason),
        mcnemar_p=None,
        agreement=not_measured(Unit.FRACTION, reason),
        worst_class_drop=not_measured(Unit.POINTS, reason),
        worst_class=None,
        max_logit_difference=not_measured(Unit.LOGITS, reason),
        rms_logit_difference=not_measured(Unit.LOGITS, reason),
        sqnr=not_measured(Unit.DECIBEL, reason),
        flips=(),
    )
