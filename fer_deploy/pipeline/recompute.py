"""``fer-deploy check --recompute``: the model and the artifacts run again on a part of the test images."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.account import account_of, faces_digest
from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import at_hand, open_dataset
from fer_deploy.errors import ArtifactError, ConfigError, FerDeployError, TargetError
from fer_deploy.gate.figures import FLOAT_MODEL
from fer_deploy.gate.integrity import folder_of
from fer_deploy.gate.verdicts import RECOMPUTED, Outcome, Verdict
from fer_deploy.measure.counted import Truth
from fer_deploy.measure.measurement import Provenance
from fer_deploy.measure.subject import Inference, artifact_subject, open_subject
from fer_deploy.pipeline.config import Config
from fer_deploy.progress import say
from fer_deploy.report.schema import Report

Logits = NDArray[np.float32]
#: Images that are answered again, drawn anew each time, so that nobody knows which. Answers of which one in a hundred
#: was made up show with a chance of 1 - 0.99 ** 200, 87 %.
SAMPLE = 200
#: Another processor rounds otherwise: classes whose logits differ by less, relative to the spread of all, are a tie.
TIE = 0.01
#: Rows that a verdict names.
_NAMED = 5


def recompute(report: Report, path: Path, config: Config | None) -> tuple[Verdict, ...]:
    """Return a verdict for the float model and each artifact: whether it answers as the report says it did.

    Args:
        report: the report in ``path``.
        path: artifacts are looked for beside it.
        config: names the model, which is loaded, and the test images.

    Raises:
        ConfigError: there is no configuration.
        FerDeployError: the data set is missing or malformed.
    """
    if config is None:
        raise ConfigError(
            "--recompute needs the test images, which the configuration names: give it with --config"
        )
    labels = report.model.contract.labels
    faces = open_dataset(at_hand(config.data), "test", labels, report.model.contract.input)
    if faces_digest(faces) != report.dataset.sha256:
        message = f"{faces.name} holds other images than the report is about: their digests differ; run again"
        return (_verdict(FLOAT_MODEL, Outcome.FAIL, message),)
    if problem := _otherwise(report, faces):
        return (_verdict(FLOAT_MODEL, Outcome.FAIL, f"{faces.name}: {problem}; run again"),)
    drawn = np.random.default_rng().permutation(len(faces))[:SAMPLE]
    chosen = np.sort(drawn).astype(np.int64)
    pixels = faces.pixels[chosen]
    model = config.model

    def float_answers() -> Inference:
        return open_subject(model.path, model.contract, model.weights).answers(pixels)

    found = [_again(report, FLOAT_MODEL, None, chosen, float_answers)]
    for one in report.artifacts:
        folder = folder_of(one, path)

        def artifact_answers(folder: Path = folder) -> Inference:
            return artifact_subject(folder).answers(pixels)

        found.append(_again(report, one.key, one.key, chosen, artifact_answers))
    return tuple(found)


def _otherwise(report: Report, faces: Faces) -> str | None:
    """Return what of the test set, beside the answers, is not as the report has it."""
    try:
        stored = report.images.truth(faces.labels, len(faces))
    except ValueError as error:
        return f"the labels in the report cannot be read: {error}"
    now = Truth.of(faces)
    for name, ours, theirs in (
        ("labels", stored.targets, now.targets),
        ("images in training too", stored.leaked, now.leaked),
        ("images on which annotators agree", stored.agreed, now.agreed),
    ):
        same = ours is theirs if ours is None or theirs is None else np.array_equal(ours, theirs)
        if not same or stored.drawn != now.drawn:
            return f"the {name} are not those of the report"
    if report.dataset.account not in (None, account_of(faces)):
        return "its account (images passed over, repeated, in training too) is not that of the report"
    return None


def _again(
    report: Report, subject: str, key: str | None, chosen: NDArray[np.int64], run: Callable[[], Inference]
) -> Verdict:
    images = report.dataset.images
    say(f"running {subject} again on {len(chosen)} of {images:,} images")
    try:
        before = report.images.answers(key, report.model.contract.labels, images)[chosen]
    except KeyError:
        return _verdict(subject, Outcome.NOT_MEASURED, "the report holds no answers of it")
    except ValueError as error:
        return _verdict(subject, Outcome.FAIL, f"its answers in the report cannot be read: {error}")
    start = time.monotonic()
    try:
        inference = run()
    except TargetError as error:
        return _verdict(subject, Outcome.NOT_MEASURED, str(error))
    except ArtifactError as error:
        return _verdict(subject, Outcome.FAIL, str(error))
    except FerDeployError as error:
        return _verdict(subject, Outcome.NOT_MEASURED, f"it cannot be run: {error}")
    took = f"{len(chosen)} of {images:,} images answered again in {time.monotonic() - start:.1f} s"
    provenances = {
        figure.provenance
        for one in report.artifacts
        if one.key == key
        for figure in (one.accuracy.accuracy, one.accuracy.ece, one.parity.agreement, one.parity.drop)
    }
    if inference.emulation is not None and Provenance.MEASURED in provenances:
        said = f"its figures are called measured, and it is emulated here: {inference.emulation}; {took}"
        return _verdict(subject, Outcome.FAIL, said)
    other, ties = differing(inference.logits, before)
    if other.any():
        named = ", ".join(str(row) for row in chosen[other][:_NAMED])
        said = f"{int(other.sum())} answers are not those of the report (images {named}); {took}"
        return _verdict(subject, Outcome.FAIL, said)
    tied = int(ties.sum())
    ending = f", {tied} of them by a tie that may go either way" if tied else ""
    return _verdict(subject, Outcome.PASS, f"the same answers{ending}; {took}")


def differing(logits: Logits, before: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows of logits (N, K) do not answer class indices ``before`` (N,), and which do by a tie only.

    An answer that is not finite is never the same.
    """
    if len(logits) != len(before) or logits.shape[1] <= int(before.max(initial=0)):
        return np.ones(len(before), dtype=bool), np.zeros(len(before), dtype=bool)
    then = logits[np.arange(len(before)), before]
    behind = logits.max(axis=1) - then
    near = behind <= TIE * (logits.max(axis=1) - logits.min(axis=1))
    same = near & np.isfinite(logits).all(axis=1)
    return ~same, same & (behind > 0)


def _verdict(subject: str, outcome: Outcome, message: str) -> Verdict:
    return Verdict(figure=RECOMPUTED, subject=subject, outcome=outcome, message=message)
