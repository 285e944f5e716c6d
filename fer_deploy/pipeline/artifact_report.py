"""What a run says of its artifacts: each one, each pair of targets, and the warnings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.frozen import Unknown
from fer_deploy.measure.counted import ImageAnswers, Truth
from fer_deploy.measure.diagnosis import explain_artifact
from fer_deploy.measure.emulation import as_emulated
from fer_deploy.measure.figures import LayerFigures, TargetParity
from fer_deploy.measure.inference import Inference
from fer_deploy.measure.parity import (
    accuracy_figures,
    missing_accuracy,
    missing_parity,
    parity_figures,
    target_parity,
)
from fer_deploy.pipeline.export import (
    Exported,
    Plan,
    doubts,
)
from fer_deploy.pipeline.summaries import delegation_figures, size_figure
from fer_deploy.quantize.calibration import CalibrationSet
from fer_deploy.quantize.graph import Graph
from fer_deploy.report.schema import ArtifactReport, MissingArtifact

Logits = NDArray[np.float32]


def artifact_report(
    one: Exported,
    reference: Logits,
    answers: Inference | Unknown,
    test: Faces,
    plain: Graph,
    layers: tuple[LayerFigures, ...] | Unknown,
) -> ArtifactReport:
    """Return all that is known of an artifact on any device.

    Args:
        one: the artifact.
        reference: the float model's logits (N, K) on the test images.
        answers: the artifact's, or why there are none.
        test: the test images.
        plain: the float graph, on which known mistakes are tried to explain a loss.
        layers: the noise of each layer, or why it is not known.
    """
    info = one.artifact.info
    diagnosis = None
    if isinstance(answers, Unknown):
        accuracy, parity = missing_accuracy(test, answers.reason), missing_parity(answers.reason)
    else:
        accuracy = as_emulated(accuracy_figures(answers.logits, test), answers.emulation)
        parity = as_emulated(parity_figures(reference, answers.logits, test), answers.emulation)
        diagnosis = explain_artifact(plain, reference, answers.logits, test)
    return ArtifactReport(
        target=info.target,
        recipe=info.recipe,
        path=str(one.artifact.folder),
        file=info.file,
        sha256=info.sha256,
        size=size_figure(info),
        delegation=delegation_figures(one.delegation),
        accuracy=accuracy,
        parity=parity,
        diagnosis=diagnosis,
        layers=() if isinstance(layers, Unknown) else layers,
        layers_reason=layers.reason if isinstance(layers, Unknown) else None,
    )


def image_answers(reference: Logits, answers: dict[str, Inference | Unknown], test: Faces) -> ImageAnswers:
    """Return what each model answered to each image, of logits (N, K); ``answers`` are the artifacts' by key."""
    known = {key: one.logits.argmax(axis=1) for key, one in answers.items() if not isinstance(one, Unknown)}
    return ImageAnswers.of(Truth.of(test), reference.argmax(axis=1), known)


def between_targets(
    exported: list[Exported], answers: dict[str, Inference | Unknown]
) -> tuple[TargetParity, ...]:
    """Return the parity of each pair of artifacts of the same recipe."""
    pairs = []
    for index, first in enumerate(exported):
        for second in exported[index + 1 :]:
            ours, theirs = answers[first.artifact.key], answers[second.artifact.key]
            recipe = first.artifact.info.recipe
            if (
                recipe != second.artifact.info.recipe
                or isinstance(ours, Unknown)
                or isinstance(theirs, Unknown)
            ):
                continue
            names = (first.artifact.info.target, second.artifact.info.target)
            parity = target_parity(recipe, *names, (ours.logits, theirs.logits))
            pairs.append(as_emulated(parity, ours.emulation or theirs.emulation))
    return tuple(pairs)


def run_warnings(
    plan: Plan, calibration: CalibrationSet | None, exported: list[Exported], missing: list[MissingArtifact]
) -> tuple[str, ...]:
    """Return what a reader of the report has to know beside its figures."""
    found = [
        f"{target} has no recipe {recipe}: that artifact was not written"
        for target, recipe in plan.impossible
    ]
    found += [f"{one.key} was not made: {one.reason}" for one in missing]
    for one in exported:
        said = one.delegation.warning()
        if said is not None:
            found.append(f"{one.artifact.key}: {said}")
        found += [f"{one.artifact.key}: {line}" for line in doubts(one.artifact)]
        if one.artifact.info.note is not None:
            found.append(f"{one.artifact.key}: {one.artifact.info.note}")
    if calibration is not None:
        empty = [label for label, count in calibration.per_class.items() if count == 0]
        if empty:
            found.append(f"the calibration set has no image of {', '.join(empty)}")
    return tuple(found)
