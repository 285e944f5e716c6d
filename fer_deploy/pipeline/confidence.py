"""Fitting a model's confidence, and writing it into its contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fer_deploy.contract import Contract
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.errors import DataError
from fer_deploy.measure.confidence import fitted_confidence
from fer_deploy.measure.figures import AccuracyFigures
from fer_deploy.measure.no_face import NoFaceFigures
from fer_deploy.measure.parity import accuracy_figures
from fer_deploy.model import contract_file, load_model, write_confidence
from fer_deploy.pipeline.no_face import fit_no_face, judge_no_face, no_face_pictures
from fer_deploy.quantize.ptq import float_graph


@dataclass(frozen=True)
class FittedConfidence:
    """What was written, and how the float model does on the images of the fit without it and with it."""

    file: Path
    """Where it was written."""
    contract: Contract
    before: AccuracyFigures
    after: AccuracyFigures
    no_face: NoFaceFigures | None
    """On the images of the fit's threshold; None where no rule was asked for."""


def fit_confidence(
    reference: str,
    dataset: DatasetSpec,
    coverage: float | None,
    keep_faces: float | None,
    contract: Path | None = None,
    weights: Path | None = None,
) -> FittedConfidence:
    """Fit how sure a model is, and write it into the file that holds its contract.

    Temperature and thresholds are fitted on the validation split, the rule for "no face" on the training split.

    Args:
        reference: zoo folder, ``.pt2`` or factory, as :func:`fer_deploy.model.load_model` takes it.
        dataset: whose splits they are; its test split is not looked at.
        coverage: share of the validation images that is to keep an answer; None for no threshold.
        keep_faces: share of them that is to be taken for faces; None: every picture is.
        contract: contract TOML of a ``.pt2`` or a factory; it is written to.
        weights: state dict of a factory.

    Raises:
        ModelError: there is no such model.
        ContractError: its contract is malformed, or cannot be added to.
        DataError: the images are missing, or drawn by code.
        OutputError: the contract's file cannot be written.
    """
    model = load_model(reference, contract, weights)
    file = contract_file(reference, contract)
    faces = open_dataset(dataset, "validation", model.contract.labels, model.contract.input)
    if faces.drawn:
        raise DataError(
            f"{faces.name} is drawn by code, and how sure a model is of people cannot be fitted on it; name images of "
            "people with --dataset"
        )
    graph = float_graph(model)
    logits = graph.logits(faces.pixels, f"evaluating {faces.name}")
    rule, told = None, None
    if keep_faces is not None:
        training = open_dataset(dataset, "train", model.contract.labels, model.contract.input)
        pictures = no_face_pictures(dataset, "train", training, model.contract.input)
        theirs = no_face_pictures(dataset, "validation", faces, model.contract.input)
        rule = fit_no_face(graph.logits, (training, pictures), (faces, theirs, logits), keep_faces)
        told = judge_no_face(rule, graph.logits, logits, theirs)
    found = fitted_confidence(logits, faces, coverage, rule)
    write_confidence(file, found)
    fitted = model.contract.model_copy(update={"confidence": found})
    return FittedConfidence(
        file, fitted, accuracy_figures(logits, faces), accuracy_figures(logits, faces, found), told
    )
