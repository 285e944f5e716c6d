"""``fer-deploy calibrate``: what a calibration set gives, ranges and rounding, kept beside a model's weights."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.errors import ConfigError
from fer_deploy.files import write_atomic
from fer_deploy.model import load_model
from fer_deploy.model.folder import MODEL_FILE
from fer_deploy.pipeline.config import QuantizeSection
from fer_deploy.pipeline.export import calibration_for
from fer_deploy.quantize.carried import ranges_of, rounding_of
from fer_deploy.quantize.prepare import prepare
from fer_deploy.quantize.ptq import nearest_integers, round_weights
from fer_deploy.quantize.recipe import CARRIED_FILE, CarriedCalibration


def calibrate(folder: Path, data: DatasetSpec, section: QuantizeSection) -> tuple[Path, CarriedCalibration]:
    """Write ``calibration.json`` into a zoo folder; return the file and what is in it.

    Raises:
        ConfigError: ``folder`` is no zoo folder, or the data are faces drawn by code.
        FerDeployError: the model or the data set is unusable, or the model cannot be quantized.
    """
    if not (folder / MODEL_FILE).is_file():
        raise ConfigError(
            f"{folder} is no model folder: it has no {MODEL_FILE}; a model of another kind keeps none"
        )
    if data.kind == "sample":
        raise ConfigError(
            "ranges from faces drawn by code are not for shipping, and are not kept; name a data set"
        )
    model = load_model(str(folder), None, None)
    training = open_dataset(data, "train", model.contract.labels, model.contract.input)
    calibration = calibration_for(training, section.calibration_images, section.seed)
    prepared = prepare(model, calibration, section.ptq)
    moved = round_weights(prepared, nearest_integers(prepared), calibration)
    kept = CarriedCalibration(
        schema_version="2.0",
        weights_sha256=model.weights_sha256,
        contract_sha256=model.contract.sha256,
        options=section.ptq,
        dataset=calibration.source,
        per_class=calibration.per_class,
        rows=calibration.rows,
        seed=calibration.seed,
        ranges=ranges_of(prepared.observed),
        rounding=rounding_of(moved),
    )
    file = folder / CARRIED_FILE
    write_atomic(file, kept.model_dump_json(indent=1) + "\n")
    return file, kept
