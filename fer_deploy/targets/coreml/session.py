"""An ML Program on this machine, run by Core ML itself on macOS or else by the interpreter; what its layers give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, TargetError
from fer_deploy.quantize.layers import LayerOutput
from fer_deploy.quiet import quiet
from fer_deploy.targets.base import Session
from fer_deploy.targets.coreml.package import LOGITS
from fer_deploy.targets.coreml.tools import coremltools


class InterpreterSession(Session):
    """The saved program executed op by op in torch. It gives logits, never a latency."""

    def __init__(self, file: Path, threads: int) -> None:
        """Read the package at ``file``.

        Raises:
            ArtifactError: the package is damaged.
            TargetError: the program has an operation that the interpreter cannot execute.
        """
        from fer_deploy.targets.coreml.interpreter.execute import Interpreter
        from fer_deploy.targets.coreml.interpreter.program import open_program

        program = open_program(file)
        if len(program.inputs) != 1 or LOGITS not in program.outputs:
            raise TargetError(f"{file} must have one input and an output '{LOGITS}' to be executed here")
        self._interpreter = Interpreter(program)
        self._input = next(iter(program.inputs))
        self._threads = threads
        rounds = any(
            declared is not None and declared.dtype == "FLOAT16"
            for operation in program.operations
            for _, declared in operation.outputs
        )
        self.emulation = f"interpreter, {'fp16 rounding' if rounds else 'fp32'}"

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 (1, K) of one image."""
        return self.run_batch(pixels)

    def run_batch(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) of N images."""
        with _torch_threads(self._threads):
            logits: NDArray[np.float32] = self._interpreter.run({self._input: pixels})[LOGITS]
        return logits


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class CoreMLSession(Session):
    """Core ML's own ``predict`` on this Mac.

    Attributes:
        compute_units: what Core ML was allowed to use, by coremltools' name.
    """

    compute_units = "ALL"

    def __init__(self, file: Path) -> None:
        """Load the package at ``file``; ArtifactError when Core ML refuses it."""
        ct = coremltools()
        with quiet():
            try:
                self._model: Any = ct.models.MLModel(
                    str(file), compute_units=ct.ComputeUnit[self.compute_units]
                )
            except Exception as error:  # coremltools and the Core ML framework raise many kinds
                raise ArtifactError(f"{file} is not a package that Core ML can load: {error}") from None
        feature = self._model.get_spec().description.input[0]
        self._input = feature.name
        self._takes_image = feature.type.WhichOneof("Type") == "imageType"

    def run(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return logits float32 (1, K) of one image."""
        value = _as_image(pixels) if self._takes_image else pixels
        answer: Any = self._model.predict({self._input: value})[LOGITS]
        return np.asarray(answer, dtype=np.float32).reshape(1, -1)


def _as_image(pixels: NDArray[np.float32]) -> Any:
    from PIL import Image

    planes = pixels[0].astype(np.uint8)
    return Image.fromarray(planes[0] if len(planes) == 1 else planes.transpose(1, 2, 0).copy())


#: Operations that have a weight, and what may stand between a layer and the value that goes on.
_WEIGHTED = {"conv", "conv_transpose", "linear"}
_TAIL = {"batch_norm", "relu", "relu6", "clip", "quantize"}
_DEQUANTIZE = "dequantize"


def layer_outputs(file: Path, pixels: NDArray[np.uint8]) -> list[LayerOutput]:
    """Return the output of every weighted layer of an ML Program, run by the interpreter, in order.

    Core ML itself gives no inner values, on no platform.

    Args:
        file: an artifact's model.mlpackage, batch 1.
        pixels: uint8 (N, C, H, W).

    Raises:
        ArtifactError: the package is damaged.
        TargetError: the interpreter lacks an operation.
    """
    from fer_deploy.targets.coreml.interpreter.execute import Interpreter
    from fer_deploy.targets.coreml.interpreter.program import open_program

    program = open_program(file)
    users: dict[str, list[Any]] = {}
    for operation in program.operations:
        for name in operation.references():
            users.setdefault(name, []).append(operation)
    ends = {
        operation.name: _end(operation.outputs[0][0], users)
        for operation in program.operations
        if operation.kind in _WEIGHTED
    }
    inner = Interpreter(replace(program, outputs=tuple(dict.fromkeys(ends.values()))))
    values = inner.run({next(iter(program.inputs)): pixels.astype(np.float32)})
    return [LayerOutput(name, values[end].astype(np.float32)) for name, end in ends.items()]


def _end(value: str, users: dict[str, list[Any]]) -> str:
    """Return the name of a layer's final value: behind its clamp, its quantize and its dequantize."""
    while True:
        following = users.get(value, [])
        if len(following) == 1 and following[0].kind in _TAIL:
            value = following[0].outputs[0][0]
        elif following and all(user.kind == _DEQUANTIZE for user in following):
            return str(following[0].outputs[0][0])
        else:
            return value
