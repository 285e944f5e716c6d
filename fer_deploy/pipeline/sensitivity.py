"""Per-layer sensitivity of a model on labelled images, and the mixed precision that holds a budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.errors import ConfigError
from fer_deploy.frozen import Frozen
from fer_deploy.model import Model, load_model
from fer_deploy.pipeline.export import calibration_for
from fer_deploy.quantize.recipe import CalibrationSet, PtqOptions
from fer_deploy.quantize.sensitivity import LayerSensitivity, mixed_precision, sensitivity
from fer_deploy.targets.artifact import INFO_FILE


class SensitivityRow(Frozen):
    """One layer quantized, everything else in float. SQNR is null where quantizing changed nothing."""

    layer: str
    sqnr_db: float | None = Field(description="of the layer's own output, dB")
    logits_sqnr_db: float | None = Field(description="of the network's logits, dB")
    drop_points: float = Field(description="float accuracy minus accuracy, percentage points")
    agreement: float = Field(description="share of images with the float network's top-1 class")


class SensitivityReport(Frozen):
    """All layers of one model in graph order, and the layers that a budget keeps in float."""

    model: str
    dataset: str
    images: int
    calibration_images: int
    options: PtqOptions
    layers: tuple[SensitivityRow, ...]
    max_drop_points: float | None = None
    float_layers: tuple[str, ...] | None = Field(default=None, description="null without a budget")
    mixed_drop_points: float | None = None


def analyse(
    reference: str,
    contract: Path | None,
    weights: Path | None,
    dataset: DatasetSpec,
    images: int,
    calibration_images: int,
    options: PtqOptions,
    max_drop_points: float | None,
) -> SensitivityReport:
    """Return the sensitivity of a model's layers on the first ``images`` validation images.

    Args:
        reference: zoo folder, .pt2 or factory.
        contract, weights: for a model that does not carry its own.
        dataset: calibrates on its training split, measures on its validation split.
        images: how many validation images to measure on.
        calibration_images: size of the calibration set.
        options: how ranges are found.
        max_drop_points: with it, the fewest layers to leave in float are searched as well.

    Raises:
        ConfigError: it is an artifact.
        BudgetExceededError: no choice of layers holds the budget.
        FerDeployError: the model or the dataset is unusable.
    """
    if (Path(reference) / INFO_FILE).is_file():
        raise ConfigError(
            f"{reference} is an artifact, whose layers are quantized or not; sensitivity quantizes a model's one by "
            "one: name the model that it was made from"
        )
    model = load_model(reference, contract, weights)
    labels, spec = model.contract.labels, model.contract.input
    training = open_dataset(dataset, "train", labels, spec)
    validation = open_dataset(dataset, "validation", labels, spec)
    faces = validation.subset(np.arange(min(images, len(validation)), dtype=np.int64))
    calibration = calibration_for(training, calibration_images, 0)
    rows = tuple(_row(one) for one in sensitivity(model, calibration, faces, options))
    plain = SensitivityReport(
        model=model.source,
        dataset=faces.name,
        images=len(faces),
        calibration_images=len(calibration.faces),
        options=options,
        layers=rows,
    )
    if max_drop_points is None:
        return plain
    return _with_budget(plain, model, calibration, faces, max_drop_points)


def _with_budget(
    plain: SensitivityReport, model: Model, calibration: CalibrationSet, faces: Faces, max_drop_points: float
) -> SensitivityReport:
    mixed = mixed_precision(model, calibration, faces, max_drop_points / 100, plain.options)
    return plain.model_copy(
        update={
            "max_drop_points": max_drop_points,
            "float_layers": mixed.float_layers,
            "mixed_drop_points": 100 * mixed.drop,
        }
    )


def _row(one: LayerSensitivity) -> SensitivityRow:
    return SensitivityRow(
        layer=one.layer,
        sqnr_db=one.sqnr_db if np.isfinite(one.sqnr_db) else None,
        logits_sqnr_db=one.logits_sqnr_db if np.isfinite(one.logits_sqnr_db) else None,
        drop_points=100 * one.drop,
        agreement=one.agreement,
    )
