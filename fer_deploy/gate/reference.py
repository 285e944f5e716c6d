"""A reference: what of a report is committed, so that later ones are compared with it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.schema import Report


def reference_of(report: Report) -> Report:
    """Return the report without raw samples and layers: what a committed reference needs, and no more."""
    bare: Report = _without_samples(report)
    no_layers = {"layers": (), "layers_reason": None}
    artifacts = tuple(one.model_copy(update=no_layers) for one in bare.artifacts)
    devices = tuple(
        one.model_copy(update={"figures": tuple(each.model_copy(update=no_layers) for each in one.figures)})
        for one in bare.devices
    )
    return bare.model_copy(update={"artifacts": artifacts, "devices": devices, "graphs": ()})


def _without_samples(value: Any) -> Any:
    if isinstance(value, Measurement):
        return value.model_copy(update={"samples": ()}) if value.samples else value
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _without_samples(item) for name, item in dict(value).items()})
    return tuple(_without_samples(item) for item in value) if isinstance(value, tuple) else value
