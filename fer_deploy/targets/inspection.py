"""What a model file holds, read from the file itself: the answer of ``Target.inspect``."""

from __future__ import annotations

from pydantic import Field

from fer_deploy.frozen import Frozen, Unknown


class Port(Frozen):
    """An input or output. ``shape`` has None where a dimension is not fixed."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class StoredWeights(Frozen):
    """All weights that are stored in one element type."""

    values: int
    bytes: int


class Share(Frozen):
    """How many of the operations a backend takes."""

    backend: str
    delegated: int
    total: int


class Inspection(Frozen):
    """The contents of one model file.

    Attributes:
        operations: operation name to count; constants are not operations.
        parameters: weights and biases of the layers; scales and shapes are none.
        macs: multiply-accumulates of one inference: convolutions, linear layers, matrix products.
        weights: element type to what is stored in it, scales included.
        activation_bytes: memory planned for activations at batch 1.
    """

    target: str
    file: str
    format: str = Field(description="format and version, e.g. 'ONNX opset 20'")
    size_bytes: int
    operations: dict[str, int]
    parameters: int
    macs: int | Unknown
    weights: dict[str, StoredWeights]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    delegated: Share | Unknown
    activation_bytes: int | Unknown
    advice: tuple[str, ...] = Field(
        default=(), description="what is known to be slow or unsupported, with source"
    )


class RequiredKernels(Frozen):
    """What a build of the runtime must hold to run a model file, in the form that the runtime's own build reads.

    Attributes:
        text: a selection of kernels as the runtime's build tools read it.
        kernels: each kernel, and each backend that takes a part of the graph, by its name in ``text``.
    """

    target: str
    text: str
    kernels: tuple[str, ...]


class CompilerEstimate(Frozen):
    """What the compiler of an NPU's programs says of one, by its own model of the NPU: never a measurement.

    Attributes:
        accelerator: the NPU as the target's options call it.
        compiler: with its version.
        configuration: of memories and their speeds, which the cycles are for.
        operators: that the NPU runs.
        cycles: of one inference, of the NPU's clock.
        clock_mhz: that the configuration names.
    """

    accelerator: str
    compiler: str
    configuration: str
    operators: int = Field(ge=0)
    cycles: int = Field(ge=0)
    clock_mhz: float = Field(gt=0)
    sram_bytes: int = Field(ge=0)
    flash_bytes: int = Field(ge=0)
    dram_bytes: int = Field(ge=0)

    def milliseconds(self, clock_mhz: float | None = None) -> float:
        """Return what the cycles take at a clock, the configuration's where none is given."""
        return self.cycles / (1000 * (clock_mhz or self.clock_mhz))


class WeightCounter:
    """Adds stored weights up by element type."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, int]] = {}

    def add(self, dtype: str, values: int, size: int) -> None:
        """Count ``values`` elements of ``dtype`` stored in ``size`` bytes."""
        before = self._found.get(dtype, (0, 0))
        self._found[dtype] = (before[0] + values, before[1] + size)

    def table(self) -> dict[str, StoredWeights]:
        """Return element type to stored weights, the largest first."""
        ordered = sorted(self._found.items(), key=lambda item: -item[1][1])
        return {dtype: StoredWeights(values=values, bytes=size) for dtype, (values, size) in ordered}
