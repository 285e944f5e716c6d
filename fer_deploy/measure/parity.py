"""Accuracy of one set of logits, and the paired comparison of two on the same images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import Confidence
from fer_deploy.data.faces import Faces
from fer_deploy.errors import ModelError
from fer_deploy.measure.confidence import answered_rows
from fer_deploy.measure.counted import (
    NO_PEOPLE,
    Truth,
    counted_accuracy,
    counted_parity,
    proportion,
    unknown_accuracy,
    unknown_drop,
)
from fer_deploy.measure.figures import (
    AccuracyFigures,
    ParityFigures,
    ReliabilityBin,
    TargetParity,
)
from fer_deploy.measure.measurement import Measurement, Unit, measured, not_measured
from fer_deploy.measure.statistics import expected_calibration_error, reliability

Logits = NDArray[np.float32]
#: Standard deviation of a logit over images below which a model is taken for untrained. Trained nets
#: of the family show 1 to 3; at random initialisation it is about 0.01.
MIN_LOGIT_SPREAD = 0.05


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


def accuracy_figures(logits: Logits, faces: Faces, confidence: Confidence | None = None) -> AccuracyFigures:
    """Return how logits (N, K) classify ``faces``; of drawn ones, why that is not known.

    Args:
        logits: (N, K).
        faces: the N images.
        confidence: the contract's, with whose temperature and threshold calibration and answers are counted.

    Raises:
        ModelError: a logit is not finite.
    """
    _require_finite(logits)
    if faces.drawn:
        return missing_accuracy(faces, NO_PEOPLE)
    temperature = 1.0 if confidence is None else confidence.temperature
    bins = reliability(logits, faces.targets, temperature)
    conditions = {"images": len(faces)} | ({"temperature": temperature} if confidence else {})
    answered, accuracy_of_answered = _answered(logits, faces, confidence)
    return AccuracyFigures(
        **counted_accuracy(logits.argmax(axis=1), Truth.of(faces)),
        ece=measured(expected_calibration_error(bins), Unit.FRACTION, conditions=conditions),
        reliability=tuple(ReliabilityBin(**vars(one)) for one in bins),
        answered=answered,
        accuracy_of_answered=accuracy_of_answered,
    )


def _answered(
    logits: Logits, faces: Faces, confidence: Confidence | None
) -> tuple[Measurement, Measurement] | tuple[None, None]:
    """Return the share of images that are answered and the accuracy on them; None without a threshold."""
    if confidence is None or not (confidence.unsure_below or confidence.no_face):
        return None, None
    answered = answered_rows(logits, confidence)
    right = logits.argmax(axis=1) == faces.targets
    conditions = {"answered from": f"{confidence.unsure_below:g}"}
    nothing = not_measured(Unit.FRACTION, "no image is answered")
    return (
        proportion(answered, conditions),
        proportion(right[answered], conditions) if answered.any() else nothing,
    )


def parity_figures(reference: Logits, other: Logits, faces: Faces) -> ParityFigures:
    """Return how an artifact's logits (N, K) differ from the float model's on the same faces.

    Raises:
        ModelError: a logit is not finite.
    """
    _require_finite(reference)
    _require_finite(other)
    difference = np.abs(reference.astype(np.float64) - other.astype(np.float64))
    noise = float(np.square(difference).sum())
    signal = float(np.square(reference.astype(np.float64)).sum())
    return ParityFigures(
        **counted_parity(reference.argmax(axis=1), other.argmax(axis=1), Truth.of(faces), faces.rows),
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
    )


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
    unknown = unknown_accuracy(Truth.of(faces), reason)
    return AccuracyFigures(**unknown, ece=not_measured(Unit.FRACTION, reason))


def missing_parity(reason: str) -> ParityFigures:
    """Return parity figures that are all "not measured" for one reason."""
    return ParityFigures(
        **unknown_drop(reason),
        agreement=not_measured(Unit.FRACTION, reason),
        max_logit_difference=not_measured(Unit.LOGITS, reason),
        rms_logit_difference=not_measured(Unit.LOGITS, reason),
        sqnr=not_measured(Unit.DECIBEL, reason),
        flips=(),
    )
