"""What reports and cards say of the model, the test images and the calibration set."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from fer_deploy.data.account import account_of
from fer_deploy.data.faces import Faces
from fer_deploy.frozen import Unknown
from fer_deploy.measure.macs import count_macs
from fer_deploy.measure.measurement import Measurement, Unit, measured, not_measured
from fer_deploy.model import Model, count_parameters
from fer_deploy.quantize.calibration import CalibrationSet
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import OBSERVER
from fer_deploy.report.schema import CalibrationSummary, DatasetSummary, DelegationFigures, ModelSummary
from fer_deploy.targets.artifact import ArtifactInfo
from fer_deploy.targets.base import Delegation


def model_summary(model: Model, plain: Graph) -> ModelSummary:
    """Return what a report says of a model; ``plain`` is its float graph."""
    return ModelSummary(
        name=model.name,
        source=model.source,
        contract=model.contract,
        contract_sha256=model.contract.sha256,
        weights_sha256=model.weights_sha256,
        parameters=measured(
            count_parameters(model.network), Unit.COUNT, conditions={"of": "the float network"}
        ),
        macs=measured(count_macs(plain), Unit.COUNT, conditions={"of": "the exported float graph"}),
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


def faces_digest(faces: Faces) -> str:
    """Return the hex SHA-256 of the images themselves: pixels, labels, order. Neither their path nor what is in the
    training split is of it, so that the same images stay the same.
    """
    digest = hashlib.sha256(json.dumps([faces.labels, list(faces.pixels.shape)]).encode())
    for array in (faces.pixels, faces.targets, faces.rows):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def calibration_summary(
    calibration: CalibrationSet | None, observer: str = OBSERVER
) -> CalibrationSummary | None:
    """Return what a report says of the calibration set, or None without one."""
    if calibration is None:
        return None
    return CalibrationSummary(
        dataset=calibration.faces.name,
        images=len(calibration.faces),
        per_class=calibration.per_class,
        rows=tuple(int(row) for row in calibration.faces.rows),
        observer=observer,
        seed=calibration.seed,
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
