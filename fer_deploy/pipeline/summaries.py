"""What reports and cards say: of model, images and calibration set, of each artifact and each pair of targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.account import account_of, faces_digest
from fer_deploy.data.faces import Faces
from fer_deploy.frozen import Unknown
from fer_deploy.measure.counted import ImageAnswers, Truth
from fer_deploy.measure.diagnosis import explain_artifact
from fer_deploy.measure.figures import CorruptedFigures, LayerFigures, NpuFigures, TargetParity
from fer_deploy.measure.measurement import Measurement, Unit, as_emulated, measured, not_measured
from fer_deploy.measure.parity import (
    accuracy_figures,
    missing_accuracy,
    missing_parity,
    parity_figures,
    target_parity,
)
from fer_deploy.measure.subject import Inference
from fer_deploy.model import Model, count_parameters
from fer_deploy.pipeline.export import (
    Exported,
    Plan,
    doubts,
)
from fer_deploy.quantize.costs import graph_costs
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import OBSERVER
from fer_deploy.quantize.recipe import CalibrationSet
from fer_deploy.report.schema import (
    ArtifactReport,
    CalibrationSummary,
    DatasetSummary,
    DelegationFigures,
    MissingArtifact,
    ModelSummary,
)
from fer_deploy.targets.artifact import ArtifactInfo
from fer_deploy.targets.base import Delegation


def model_summary(model: Model, plain: Graph) -> ModelSummary:
    """Return what a report says of a model; ``plain`` is its float graph, whose operators are counted."""
    return ModelSummary(
        name=model.name,
        source=model.source,
        contract=model.contract,
        contract_sha256=model.contract.sha256,
        weights_sha256=model.weights_sha256,
        parameters=measured(
            count_parameters(model.network), Unit.COUNT, conditions={"of": "the float network"}
        ),
        macs=measured(graph_costs(plain).macs, Unit.COUNT, conditions={"of": "the exported float graph"}),
    )


def size_figure(info: ArtifactInfo) -> Measurement:
    """Return the size of an artifact's model file, in bytes."""
    return measured(info.size_bytes, Unit.BYTES, conditions={"of": info.file})


def dataset_summary(faces: Faces) -> DatasetSummary:
    """Return what a report says of the images that accuracy was measured on."""
    counts = np.bincount(faces.targets, minlength=len(faces.labels))
    account = account_of(faces)
    return DatasetSummary(
        name=faces.name,
        images=len(faces),
        leaked=None if isinstance(account.in_training, Unknown) else account.in_training,
        per_class={label: int(count) for label, count in zip(faces.labels, counts, strict=True)},
        sha256=faces_digest(faces),
        account=account,
    )


def calibration_summary(
    calibration: CalibrationSet | None, observer: str = OBSERVER
) -> CalibrationSummary | None:
    """Return what a report says of the calibration set, or None without one."""
    if calibration is None:
        return None
    return CalibrationSummary(
        dataset=calibration.source,
        images=len(calibration.rows),
        per_class=calibration.per_class,
        rows=calibration.rows,
        observer=observer,
        seed=calibration.seed,
        carried=calibration.carried is not None,
        drawn=calibration.drawn,
    )


def delegation_figures(delegation: Delegation) -> DelegationFigures:
    """Return what a report says of how much of an artifact its delegate takes."""
    if delegation.delegated is None:
        share = not_measured(Unit.FRACTION, delegation.reason or "the target's tools do not say")
    else:
        share = measured(
            delegation.delegated / delegation.total if delegation.total else 0.0,
            Unit.FRACTION,
            conditions={"operators": delegation.total, "backend": delegation.backend},
        )
    return DelegationFigures(
        backend=delegation.backend,
        share=share,
        delegates=delegation.delegates,
        not_delegated=delegation.not_delegated,
    )


Logits = NDArray[np.float32]


def artifact_report(
    made: Exported,
    reference: Logits,
    answers: Inference | Unknown,
    test: Faces,
    plain: Graph,
    layers: tuple[LayerFigures, ...] | Unknown,
    corrupted: CorruptedFigures | None = None,
    npu: tuple[NpuFigures, ...] = (),
) -> ArtifactReport:
    """Return all that is known of an artifact on any device.

    Args:
        made: the artifact.
        reference: the float model's logits (N, K) on the test images.
        answers: the artifact's, or why there are none.
        test: the test images.
        plain: the float graph, on which known mistakes are tried to explain a loss.
        layers: the noise of each layer, or why it is not known.
        corrupted: how it does under corruption; None where that is not known.
        npu: how it does on each emulated NPU.
    """
    info = made.artifact.info
    diagnosis = None
    if isinstance(answers, Unknown):
        accuracy, parity = missing_accuracy(test, answers.reason), missing_parity(answers.reason)
    else:
        accuracy = as_emulated(
            accuracy_figures(answers.logits, test, info.contract.confidence), answers.emulation
        )
        parity = as_emulated(parity_figures(reference, answers.logits, test), answers.emulation)
        diagnosis = explain_artifact(plain, reference, answers.logits, test)
    return ArtifactReport(
        target=info.target,
        recipe=info.recipe,
        path=str(made.artifact.folder),
        file=info.file,
        sha256=info.sha256,
        size=size_figure(info),
        delegation=delegation_figures(made.delegation),
        accuracy=accuracy,
        parity=parity,
        diagnosis=diagnosis,
        corrupted=corrupted,
        npu=npu,
        layers=() if isinstance(layers, Unknown) else layers,
        layers_reason=layers.reason if isinstance(layers, Unknown) else None,
    )


def image_answers(reference: Logits, answers: dict[str, Inference | Unknown], test: Faces) -> ImageAnswers:
    """Return what each model answered to each image, of logits (N, K); ``answers`` are the artifacts' by key."""
    known = {
        key: found.logits.argmax(axis=1) for key, found in answers.items() if not isinstance(found, Unknown)
    }
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


def people_not_measured(model: Model, faces: Faces) -> tuple[str, ...]:
    """Return what a reader of a report on drawn faces has to know first, with what the model's card says of people."""
    if not faces.drawn:
        return ()
    said = (
        "The test images are faces drawn by code: parity, flips, sizes and times are real, accuracy on people is not "
        "measured"
    )
    card = Path(model.source) / "card.md"
    figures = _card_accuracy(card) if card.is_file() else None
    return (f"{said}; {card} has {figures}" if figures else said,)


def _card_accuracy(card: Path) -> str | None:
    """Return the accuracies in a card's table of figures, each with its test set, as the card has them."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in card.read_text(encoding="utf-8").splitlines()
        if line.startswith(("| figure |", "| accuracy |"))
    ]
    if [row[0] for row in rows] != ["figure", "accuracy"]:
        return None
    return ", ".join(f"{value} on {name}" for name, value in zip(rows[0][1:], rows[1][1:], strict=True))


def run_warnings(
    plan: Plan, calibration: CalibrationSet | None, exported: list[Exported], missing: list[MissingArtifact]
) -> tuple[str, ...]:
    """Return what a reader of the report has to know beside its figures."""
    found = [
        f"{target} has no recipe {recipe}: that artifact was not written"
        for target, recipe in plan.impossible
    ]
    found += [f"{absent.key} was not made: {absent.reason}" for absent in missing]
    owners: dict[str, list[str]] = {}  # of each line, so that what holds for several is said once
    for made in exported:
        info = made.artifact.info
        for line in (made.delegation.warning(), *doubts(made.artifact), info.note):
            if line is not None:
                owners.setdefault(line, []).append(made.artifact.key)
    found += [
        f"{'every artifact' if 1 < len(keys) == len(exported) else ', '.join(keys)}: {line}"
        for line, keys in owners.items()
    ]
    if calibration is not None:
        empty = [label for label, count in calibration.per_class.items() if count == 0]
        if empty:
            found.append(f"the calibration set has no image of {', '.join(empty)}")
    return tuple(found)
