"""Accuracy of one model or artifact on one split of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, Role, at_hand, open_dataset
from fer_deploy.errors import ConfigError
from fer_deploy.frozen import first_problem
from fer_deploy.measure.figures import AccuracyFigures
from fer_deploy.measure.measurement import as_emulated
from fer_deploy.measure.parity import accuracy_figures
from fer_deploy.measure.subject import open_subject
from fer_deploy.names import meant


def dataset_spec(kind: str | None, path: Path | None, protocol: str | None = None) -> DatasetSpec:
    """Return the dataset that the flags name.

    Raises:
        ConfigError: there is no such kind, or it has no protocols.
    """
    known = get_args(DatasetSpec.model_fields["kind"].annotation)
    if kind is not None and kind not in known:
        near = meant(kind, known)
        raise ConfigError(f"unknown dataset '{kind}'{near}; known: {', '.join(known)}")
    values: dict[str, Any] = {"kind": kind, "path": path, "protocol": protocol}
    try:
        return DatasetSpec(**{key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(first_problem(error, DatasetSpec)) from None


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
    subject = open_subject(reference, contract, weights)
    faces = open_dataset(at_hand(dataset), role, subject.contract.labels, subject.contract.input)
    answers = subject.answers(faces.pixels)
    figures = accuracy_figures(answers.logits, faces, subject.contract.confidence)
    return faces, as_emulated(figures, answers.emulation)
