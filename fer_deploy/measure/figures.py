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


class ReliabilityBin(Frozen):
    """One bin of the reliability diagram; fractions. Empty bins are left out."""

    low: float
    high: float
    images: int = Field(ge=1)
    confidence: float = Field(description="mean probability of the predicted class")
    accuracy: float


class AccuracyFigures(Frozen):
    """How one model or artifact classifies the test images."""

    accuracy: Measurement
    accuracy_without_leaked: Measurement
    accuracy_where_agreed: Measurement | None = Field(
        default=None,
        description="accuracy on the images for whose label more than half of the annotators voted, as published "
        "FER+ figures have it; None where images have no votes",
    )
    balanced_accuracy: Measurement = Field(description="mean of the per-class recalls")
    ece: Measurement = Field(description="expected calibration error, 15 equal-width bins, fraction")
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...] = Field(
        default=(), description="images by [true class][predicted class]; empty when not measured"
    )
    reliability: tuple[ReliabilityBin, ...] = Field(
        default=(), description="accuracy against confidence; empty when not measured"
    )
    correct: str | None = Field(
        default=None,
        description="base64 of one bit per test image in the dataset's order, 1 for a right answer, padded "
        "with 0; with it two runs on the same images are compared image by image",
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
    lost: int | None = Field(default=None, description="images that only the float model gets right")
    gained: int | None = Field(default=None, description="images that only the artifact gets right")
    mcnemar_p: float | None = Field(default=None, description="exact two-sided p of McNemar's test")
    agreement: Measurement = Field(description="share of images with the same top-1 class")
    worst_class_drop: Measurement = Field(description="largest drop in recall, percentage points")
    worst_class: str | None
    max_logit_difference: Measurement
    rms_logit_difference: Measurement
    sqnr: Measurement = Field(description="signal-to-quantization-noise ratio of the logits, dB")
    flips: tuple[Flip, ...]


class LayerFigures(Frozen):
    """One layer of an artifact against the same layer of the float model."""

    name: str
    operator: str
    sqnr: Measurement


class LayerTime(Frozen):
    """The share of one operator in an inference on a device."""

    name: str
    operator: str
    time: Measurement


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
    invalid: tuple[str, ...] = Field(
        default=(), description="which rules of the timing protocol were broken; empty: the timing is valid"
    )
    layers: tuple[LayerTime, ...] = Field(default=(), description="empty when the runtime gives none")
