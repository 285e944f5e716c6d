"""Fitting a model folder's confidence, and writing it into its contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fer_deploy.contract import Contract
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.errors import ModelError
from fer_deploy.measure.confidence import fitted_confidence
from fer_deploy.measure.figures import AccuracyFigures
from fer_deploy.measure.parity import accuracy_figures
from fer_deploy.model import load_model, rewrite_contract
from fer_deploy.quantize.ptq import float_graph


@dataclass(frozen=True)
class FittedConfidence:
    """What was written, and how the float model does on the images of the fit without it and with it."""

    contract: Contract
    before: AccuracyFigures
    after: AccuracyFigures


def fit_confidence(folder: Path, dataset: DatasetSpec, coverage: float | None) -> FittedConfidence:
    """Fit temperature and threshold on the validation split, and write them into ``folder/model.toml``.

    Args:
        folder: zoo folder.
        dataset: whose validation split it is; never its test split.
        coverage: share of the images that is to keep an answer; None for no threshold.

    Raises:
        ModelError: ``folder`` is no zoo folder, or the images are drawn by code.
        DataError: the images are missing.
    """
    if not folder.is_dir():
        raise ModelError(
            f"{folder} is no model folder; a model of another kind states [contract.confidence] itself"
        )
    model = load_model(folder)
    faces = open_dataset(dataset, "validation", model.contract.labels, model.contract.input)
    if faces.drawn:
        raise ModelError(
            f"{faces.name} is drawn by code, and how sure a model is of people cannot be fitted on it; name images of "
            "people with --dataset"
        )
    logits = float_graph(model).logits(faces.pixels, f"evaluating {faces.name}")
    found = fitted_confidence(logits, faces, coverage)
    contract = model.contract.model_copy(update={"confidence": found})
    rewrite_contract(folder, contract)
    return FittedConfidence(contract, accuracy_figures(logits, faces), accuracy_figures(logits, faces, found))
