"""Groups of Measurements that belong together; the report is made of them."""

from __future__ import annotations

from pydantic import Field

from fer_deploy.frozen import Frozen
from fer_deploy.measure.measurement import Measurement

#: Raw samples of a timing that a report keeps: the first ones. Percentiles of no more runs can be counted again.
MAX_RAW_SAMPLES = 2000


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
    ece: Measurement = Field(
        description="expected calibration error at the contract's temperature, 15 equal-width bins, fraction"
    )
    answered: Measurement | None = Field(
        default=None,
        description="share of the images that are not 'unsure'; None where no threshold was chosen",
    )
    accuracy_of_answered: Measurement | None = Field(default=None, description="accuracy on those images")
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
    smallest_drop: Measurement = Field(
        description="smallest limit on the drop, points, that this test set can show with a chance of 90 %, were the "
        "artifact as good as the float model and as many images right for one of them only as were seen"
    )
    mcnemar_p: float | None = Field(default=None, description="exact two-sided p of McNemar's test")
    agreement: Measurement = Field(description="share of images with the same top-1 class")
    worst_class_drop: Measurement = Field(description="largest drop in recall, percentage points")
    worst_class: str | None
    max_logit_difference: Measurement
    rms_logit_difference: Measurement
    sqnr: Measurement = Field(description="signal-to-quantization-noise ratio of the logits, dB")
    flips: tuple[Flip, ...]


class CorruptedKind(Frozen):
    """One kind of corruption at its severities, each on the same images."""

    kind: str = Field(description="name in fer_deploy.data.corruptions")
    role: str = Field(
        description="trained, augmented or held out: what a training of this project may do with it"
    )
    strengths: tuple[str, ...] = Field(description="of the severities, mild first, with their unit")
    accuracies: tuple[Measurement, ...] = Field(description="at each severity")
    accuracy: Measurement = Field(description="mean over the severities")
    agreement: Measurement | None = Field(
        default=None,
        description="share of the pictures with the reference's top-1 class on that very picture, mean over the "
        "severities; None of the reference itself",
    )


class CorruptedFigures(Frozen):
    """How one model or artifact does on some of the test images under every kind of corruption."""

    images: int = Field(ge=1, description="drawn from the test images")
    seed: int = Field(description="of the draw and of every corruption")
    clean: Measurement = Field(description="accuracy on these images as they are")
    accuracy: Measurement = Field(description="mean over all kinds and severities")
    held_out: Measurement = Field(
        description="the same over the kinds that no training of this project may use"
    )
    agreement: Measurement | None = Field(default=None, description="as of one kind, mean over all of them")
    kinds: tuple[CorruptedKind, ...]
    right: str | None = Field(
        default=None,
        description="base64 of one bit for each picture, 1 for a right answer: the images as they are, then under each "
        "kind at each severity; None where no answer can be called right",
    )
    same: str | None = Field(default=None, description="the same of answers like the reference's")


class NpuFigures(Frozen):
    """One artifact on one NPU against the float model, on the test images."""

    npu: str
    images: int = Field(description="test images that were run, the closest calls of the float model first")
    of: int = Field(description="test images")
    margin: float | None = Field(
        default=None,
        description="least margin of the float model's best logit among images that were not run",
    )
    shift: float | None = Field(
        default=None, description="largest change of the distance of two logits seen, against the float model"
    )
    accuracy: Measurement = Field(description="over all test images")
    agreement: Measurement = Field(description="share of all test images with the float model's class")
    same_as_here: Measurement = Field(description="share of the images run with this machine's class")
    max_logit_difference: Measurement = Field(description="against the float model")
    output_step: float | None = Field(default=None, description="of the logits' scale, in logits")
    flips: tuple[Flip, ...] = Field(default=(), description="images run whose class is not the float model's")
    not_taken: tuple[str, ...] = Field(default=(), description="nodes that the NPU leaves to the CPU")


class LayerFigures(Frozen):
    """The noise of one layer against the same layer of the float model."""

    name: str = Field(description="the module's path in the float model")
    operator: str = Field(description="conv, depthwise, grouped or linear")
    sqnr: Measurement = Field(description="signal-to-quantization-noise ratio of the layer's output, dB")


class LayerTime(Frozen):
    """One operator as the runtime ran it."""

    name: str = Field(description="the runtime's name for it")
    kind: str = Field(description="the runtime's name for its kind of kernel")
    layer: str | None = Field(
        default=None, description="the float model's layer that it computes; None where that is not known"
    )
    place: str = Field(description="the delegate or provider that ran it, or 'not delegated'")
    delegated: bool = Field(description="False: outside the delegate, or a float kernel in an int8 network")
    time: Measurement
    share: Measurement = Field(description="of all operators' time")
    macs: Measurement
    bytes: Measurement = Field(description="weights, inputs and outputs, each moved once")


class TargetParity(Frozen):
    """Two artifacts of the same recipe against each other."""

    recipe: str
    first: str
    second: str
    agreement: Measurement
    max_logit_difference: Measurement


class CompiledFigures(Frozen):
    """What the compiler of a device's NPU says of the program that it made of a graph: estimates, never measured."""

    accelerator: str
    compiler: str = Field(description="with its version")
    configuration: str = Field(description="of memories and clock that the cycles are for")
    operators: int = Field(description="that the NPU runs")
    on_cpu: int = Field(description="operators of the network that stay on the processor beside the NPU")
    cycles: Measurement
    sram: Measurement
    flash: Measurement
    dram: Measurement
    sram_of: int | None = Field(default=None, description="bytes that the device has; None: not known")
    flash_of: int | None = Field(default=None, description="bytes that the device has; None: not known")
    parity: str | None = Field(
        default=None, description="how far its emulation is from the shared graph in exact arithmetic"
    )


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
    layers: tuple[LayerTime, ...] = Field(
        default=(),
        description="in the order in which they ran; empty when nobody asked, or none could be had",
    )
    layers_reason: str | None = Field(default=None, description="why no layer could be timed")
    for_npu: bool = Field(
        default=False, description="whether the device needs a program that its NPU's compiler made"
    )
    compiled: CompiledFigures | None = Field(
        default=None, description="of such a program; None where there is none, or nothing is estimated of it"
    )
