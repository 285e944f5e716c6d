"""Temperature scaling and the threshold of an answer, fitted on validation images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import Confidence, NoFace
from fer_deploy.data.faces import Faces
from fer_deploy.targets.prediction import softmax, taken_for_faces

Logits = NDArray[np.float32]
#: Temperatures that are looked at; a trained classifier's lies near 1.
_LOWEST, _HIGHEST = 0.05, 20.0
#: Steps of the search, each of which narrows it to 0.62: the last interval is below 1e-6 of its logarithm.
_STEPS = 35
_GOLDEN = (math.sqrt(5) - 1) / 2


def negative_log_likelihood(logits: Logits, targets: NDArray[np.int64], temperature: float) -> float:
    """Return the mean negative log-likelihood, nats, of targets (N,) under logits (N, K) at a temperature."""
    scaled = logits.astype(np.float64) / temperature
    largest = scaled.max(axis=1)
    total = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
    return float((total - scaled[np.arange(len(targets)), targets]).mean())


def fitted_temperature(logits: Logits, targets: NDArray[np.int64]) -> float:
    """Return the temperature of the least negative log-likelihood, by golden-section search over its logarithm.

    The likelihood has one maximum in the inverse temperature (Guo et al., "On Calibration of Modern Neural Networks",
    ICML 2017), so the search cannot end in another one.
    """
    low, high = math.log(_LOWEST), math.log(_HIGHEST)

    def loss(log: float) -> float:
        return negative_log_likelihood(logits, targets, math.exp(log))

    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(_STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)


def answered_rows(logits: Logits, confidence: Confidence) -> NDArray[np.bool_]:
    """Return which of the pictures with logits (N, K) are answered: taken for a face, and with a sure label."""
    sure = softmax(logits, confidence.temperature).max(axis=1) >= confidence.unsure_below
    answered: NDArray[np.bool_] = sure & taken_for_faces(logits, confidence.no_face)
    return answered


def fitted_confidence(
    logits: Logits, faces: Faces, coverage: float | None, no_face: NoFace | None = None
) -> Confidence:
    """Return temperature and threshold for logits (N, K) on ``faces``.

    Args:
        logits: the float model's.
        faces: validation images.
        coverage: share of them that is to keep an answer; None for no threshold.
        no_face: rule by which some of them have none already.
    """
    # Four digits: more would be noise of the images, and the number is read by people and three languages.
    temperature = float(f"{fitted_temperature(logits, faces.targets):.4g}")
    below = 0.0
    if coverage is not None and coverage < 1:
        top = softmax(logits, temperature).max(axis=1)
        top = np.where(taken_for_faces(logits, no_face), top, 0.0)
        below = float(f"{np.quantile(top, 1 - coverage):.4f}")
    return Confidence(
        temperature=temperature,
        unsure_below=min(below, 0.9999),
        coverage=coverage if coverage is not None and below else 1.0,
        fitted_on=faces.name,
        no_face=no_face,
    )
