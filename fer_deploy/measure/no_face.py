"""Telling pictures without a face by the logits that a network gives them: fitted, and how well it does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_deploy.contract import NoFace
from fer_deploy.errors import ModelError
from fer_deploy.frozen import Frozen
from fer_deploy.measure.counted import proportion
from fer_deploy.measure.measurement import Measurement, Unit, measured, not_measured
from fer_deploy.targets.prediction import no_face_features, no_face_probability

Logits = NDArray[np.float32]
#: Keeps the coefficients finite where faces and other pictures can be told apart without error; for each picture, on
#: features of unit spread.
_RIDGE = 1e-3
#: Newton's steps; a logistic regression of some ten coefficients needs about eight.
_STEPS = 50
_CONVERGED = 1e-10
#: Area under the ROC curve below which a rule is refused; 0.5 tells nothing.
_LEAST_AREA = 0.6
#: A threshold keeps this far from 0 and 1.
_EDGE = 1e-4


class NoFaceFigures(Frozen):
    """How well pictures of no face are told from faces."""

    auroc_voted: Measurement
    """Of images that annotators voted "unknown" or "not a face", against faces."""
    auroc_made: Measurement
    """Of pictures made of faces, against faces."""
    faces_kept: Measurement
    voted_told: Measurement
    made_told: Measurement


def fitted_no_face(faces: Logits, others: Logits, validation: Logits, keep: float, fitted_on: str) -> NoFace:
    """Return the rule that tells pictures with logits ``others`` from those with logits ``faces``, each (N, K).

    Args:
        faces, others: what the rule is fitted on.
        validation: of faces that it is not fitted on, which set the threshold.
        keep: share of them that has to be taken for faces.
        fitted_on: what the pictures are, for people.

    Raises:
        ModelError: the rule hardly tells the one from the other.
    """
    features = no_face_features(np.concatenate([faces, others]))
    answer = np.concatenate([np.zeros(len(faces)), np.ones(len(others))])
    mean, spread = features.mean(axis=0), features.std(axis=0).clip(1e-12)
    fitted = _logistic((features - mean) / spread, answer)
    # Six digits, as they are written: the threshold below is of what will be read.
    weights = [float(f"{value:.6g}") for value in fitted[:-1] / spread]
    bias = float(f"{fitted[-1] - float((fitted[:-1] / spread) @ mean):.6g}")
    rule = NoFace(
        weights=tuple(weights[:-1]), energy=weights[-1], bias=bias, above=0.5, kept=keep, fitted_on=fitted_on
    )
    held, strange = (no_face_probability(one, rule) for one in (validation, others))
    area = auroc(held, strange)
    if area < _LEAST_AREA:
        raise ModelError(
            f"the logits do not tell faces from other pictures: AUROC {area:.2f}, and {_LEAST_AREA} is the least "
            "that a rule is made of; leave it out with --keep-faces 1"
        )
    above = float(f"{np.quantile(held, keep):.4g}")
    return rule.model_copy(update={"above": min(max(above, _EDGE), 1 - _EDGE)})


def _logistic(features: NDArray[np.float64], answer: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return coefficients of a logistic regression, the constant last, by Newton's method with a ridge."""
    table = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    ridge = np.diag([*[_RIDGE * len(table)] * features.shape[1], 0.0])
    found = np.zeros(table.shape[1])
    for _ in range(_STEPS):
        probability = 1 / (1 + np.exp(-(table @ found).clip(-500, 500)))
        slope = table.T @ (probability - answer) + ridge @ found
        curvature = (table * (probability * (1 - probability))[:, None]).T @ table + ridge
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(found)), slope)
        found -= step
        if float(np.abs(step).max()) < _CONVERGED:
            break
    return found


def no_face_figures(rule: NoFace, faces: Logits, voted: Logits | None, made: Logits) -> NoFaceFigures:
    """Return how a rule does on logits of faces, of images voted to be none (None without votes), of made pictures."""
    face, other = (no_face_probability(one, rule) for one in (faces, made))
    missing = not_measured(Unit.FRACTION, "the data set holds no images that annotators voted to be no face")
    conditions = {"no face above": f"{rule.above:g}"}
    by_vote, told = missing, missing
    if voted is not None and len(voted):
        theirs = no_face_probability(voted, rule)
        by_vote, told = _auroc(face, theirs), proportion(theirs > rule.above, conditions)
    return NoFaceFigures(
        auroc_voted=by_vote,
        auroc_made=_auroc(face, other),
        faces_kept=proportion(face <= rule.above, conditions),
        voted_told=told,
        made_told=proportion(other > rule.above, conditions),
    )


def _auroc(low: NDArray[np.float64], high: NDArray[np.float64]) -> Measurement:
    return measured(
        auroc(low, high), Unit.FRACTION, conditions={"faces": len(low), "pictures of no face": len(high)}
    )


def auroc(low: NDArray[np.float64], high: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve: how often one of ``high`` is above one of ``low``, ties counted half."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.mean() / (2 * len(low)))
