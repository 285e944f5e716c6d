"""Groups of Measurements that belong together; the report is made of them."""

from __future__ import annotations

from pydantic import Field

from fer_deploy.contract import Frozen
from fer_deploy.measure.measurement import Measurement


class ClassFigures(Frozen):
    """One class of one model or artifact."""

    label: str
    images: int
    recall: Measurement


class AccuracyFigures(Frozen):
    """How one model or artifact classifies the test images."""

    accuracy: Measurement
    accuracy_without_leaked: Measurement
    balanced_accuracy: Measurement = Field(description="mean of the per-class recalls")
    ece: Measurement = Field(description="expected calibration error, 15 equal-width bins, fraction")
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...] = Field(
        default=(), description="images by [true class][predicted class]; empty when not measured"
    )


class Flip(Frozen):
    """An image on which an artifact's top-1 class differs from the reference's."""

    row: int = Field(description="row in the source dataset")
    label: str
    reference: str
    artifact: str


class ParityFigures(Frozen):
    """One artifact against the float model, on the same images."""

    drop: Measurement = Field(description="float accuracy minus artifact accuracy, percentage points")
    mcnemar_p: float | None = Field(default=None, description="exact two-sided p of McNemar's test")
    agreement: Measurement = Field(description="share of images with the same top-1 class")
    worst_class_drop: Measurement = Field(description="largest drop in recall, percentage points")
    worst_class: str | None
    max_logit_difference: Measurement
    rms_logit_difference: Measurement
    sqnr: Measurement = Field(description="signal-to-quantization-noise ratio of the logits, dB")
    flips: tuple[Flip, ...]


class TargetParity(Frozen):
    """Two artifacts of the same recipe against each other."""

    recipe: str
    first: str
    second: str
    agreement: Measurement
    max_logit_difference: Measurement


class RuntimeFigures(Frozen):
    """One artifact on one device."""

    artifact: str = Field(description="``target-recipe``")
    runtime: str
    threads: int | None
    latency_p50: Measurement
    latency_p90: Measurement
    latency_p95: Measurement
    latency_p99: Measurement
    load: Measurement = Field(description="opening the model in a fresh process")
    first_inference: Measurement = Field(description="cold start after loading")
    peak_memory: Measurement = Field(description="peak resident memory above the bare runtime's")
