"""What a network says of one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import Contract, NoFace
from fer_deploy.showing import Shown


@dataclass(frozen=True, repr=False, eq=False)
class Prediction(Shown):
    """The answer to one picture.

    Attributes:
        label: the most probable class.
        probabilities: label to probability, 0..1, in the contract's order and at its temperature.
        logits: float32 (K,), one per label of the contract.
        unsure: whether the top probability is below what the contract asks of an answer.
        no_face: the probability, 0..1, that the picture shows no face; None where the contract does not tell.
        is_face: False where that probability is above what the contract takes for a face.
        emulation: None, or how the answer was emulated instead of given by the target's own runtime.
    """

    label: str
    probabilities: dict[str, float]
    logits: NDArray[np.float32]
    unsure: bool = False
    no_face: float | None = None
    is_face: bool = True
    emulation: str | None = None

    @property
    def answered(self) -> bool:
        """Whether ``label`` is an answer: the picture is taken for a face, and the model is sure enough."""
        return self.is_face and not self.unsure


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return row-wise softmax of (N, K) divided by ``temperature``, float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponent = np.exp(shifted / temperature)
    result: NDArray[np.float64] = exponent / exponent.sum(axis=1, keepdims=True)
    return result


def no_face_features(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what "no face" is told by: the logits (N, K) and the logarithm of the sum of their exponentials.

    float64 (N, K + 1), the logarithm last.
    """
    wide = logits.astype(np.float64)
    largest = wide.max(axis=1, keepdims=True)
    energy = largest + np.log(np.exp(wide - largest).sum(axis=1, keepdims=True))
    return np.concatenate([wide, energy], axis=1)


def no_face_probability(logits: NDArray[np.float32], rule: NoFace) -> NDArray[np.float64]:
    """Return the probability, float64 (N,), that a picture with logits (N, K) shows no face."""
    score = rule.bias + no_face_features(logits) @ np.array([*rule.weights, rule.energy])
    result: NDArray[np.float64] = 1 / (1 + np.exp(-score.clip(-500, 500)))
    return result


def taken_for_faces(logits: NDArray[np.float32], rule: NoFace | None) -> NDArray[np.bool_]:
    """Return which pictures with logits (N, K) are taken for a face, bool (N,): all of them without a rule."""
    if rule is None:
        return np.ones(len(logits), dtype=bool)
    taken: NDArray[np.bool_] = no_face_probability(logits, rule) <= rule.above
    return taken


def prediction_of(
    logits: NDArray[np.float32], contract: Contract, emulation: str | None = None
) -> Prediction:
    """Return what logits float32 (K,) say of a picture under a contract."""
    shares = softmax(logits[None], contract.temperature)[0]
    best, rule = int(logits.argmax()), contract.no_face
    no_face = None if rule is None else float(no_face_probability(logits[None], rule)[0])
    return Prediction(
        label=contract.labels[best],
        probabilities={label: float(share) for label, share in zip(contract.labels, shares, strict=True)},
        logits=logits,
        unsure=float(shares[best]) < contract.unsure_below,
        no_face=no_face,
        is_face=bool(taken_for_faces(logits[None], rule)[0]),
        emulation=emulation,
    )
