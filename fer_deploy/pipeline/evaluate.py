"""Accuracy of one model or artifact on one split of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fer_deploy.contract import Contract
from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, Role, open_dataset
from fer_deploy.errors import ConfigError, TargetError
from fer_deploy.measure.emulation import as_emulated
from fer_deploy.measure.figures import AccuracyFigures
from fer_deploy.measure.inference import infer
from fer_deploy.measure.parity import accuracy_figures
from fer_deploy.model import load_model
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.targets.artifact import INFO_FILE, open_artifact
from fer_deploy.targets.registry import get_target


def dataset_spec(kind: str | None, path: Path | None) -> DatasetSpec:
    """Return the dataset that two flags name.

    Raises:
        ConfigError: there is no such kind.
    """
    values: dict[str, Any] = {"kind": kind, "path": path}
    try:
        return DatasetSpec(**{key: value for key, value in values.items() if value is not None})
    except ValueError:
        raise ConfigError(
            f"unknown dataset '{kind}'; known: ferplus, fer2013, rafdb, rafdb5, folder"
        ) from None


def evaluate(
    reference: str,
    contract: Path | None,
    weights: Path | None,
    dataset: DatasetSpec,
    role: Role,
) -> tuple[Faces, AccuracyFigures]:
    """Return the faces and how ``reference``, a model or an artifact folder, classifies them.

    Raises:
        FerDeployError: the model, the artifact or the dataset is unusable, or the artifact cannot run here.
    """
    if (Path(reference) / INFO_FILE).is_file():
        artifact = open_artifact(Path(reference))
        obstacle = get_target(artifact.info.target).host_obstacle()
        if obstacle:
            raise TargetError(f"{reference} cannot be evaluated here: {obstacle}")
        faces = _faces(dataset, role, artifact.info.contract)
        answers = infer(artifact, faces.pixels)
        return faces, as_emulated(accuracy_figures(answers.logits, faces), answers.emulation)
    model = load_model(reference, contract, weights)
    faces = _faces(dataset, role, model.contract)
    logits = float_graph(model).logits(faces.pixels, f"evaluating {model.name}")
    return faces, accuracy_figures(logits, faces)


def _faces(dataset: DatasetSpec, role: Role, contract: Contract) -> Faces:
    return open_dataset(dataset, role, contract.labels, contract.input)
