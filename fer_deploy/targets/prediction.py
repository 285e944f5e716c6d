"""What a network says of one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import Contract
from fer_deploy.showing import Shown


@dataclass(frozen=True, repr=False, eq=False)
class Prediction(Shown):
    """The answer to one picture.

    Attributes:
        label: the most probable class.
        probabilities: label to probability, 0..1, in the contract's order and at its temperature.
        logits: float32 (K,), one per label of the contract.
        unsure: whether the top probability is below what the contract asks of an answer.
        emulation: None, or how the answer was emulated instead of given by the target's own runtime.
    """

    label: str
    probabilities: dict[str, float]
    logits: NDArray[np.float32]
    unsure: bool = False
    emulation: str | None = None


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return row-wise softmax of (N, K) divided by ``temperature``, float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponent = np.exp(shifted / temperature)
    result: NDArray[np.float64] = exponent / exponent.sum(axis=1, keepdims=True)
    return result


def prediction_of(
    logits: NDArray[np.float32], contract: Contract, emulation: str | None = None
) -> Prediction:
    """Return what logits float32 (K,) say of a picture under a contract."""
    shares = softmax(logits[None], contract.temperature)[0]
    probabilities = {label: float(share) for label, share in zip(contract.labels, shares, strict=True)}
    best = int(logits.argmax())
    unsure = float(shares[best]) < contract.unsure_below
    return Prediction(contract.labels[best], probabilities, logits, unsure, emulation)
