"""What each layer of an ML Program gives, run by the interpreter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.quantize.layers import LayerOutput

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
