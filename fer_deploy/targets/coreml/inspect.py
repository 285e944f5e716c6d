"""Reading a Core ML package: operations, weights, shapes, advice."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_deploy.files import size_of
from fer_deploy.frozen import Unknown
from fer_deploy.targets.coreml.advice import advice
from fer_deploy.targets.coreml.interpreter.program import (
    Argument,
    Operation,
    Program,
    Reference,
    TensorType,
    open_program,
)
from fer_deploy.targets.inspection import Inspection, Port, WeightCounter

#: Parameters of operations that hold trained values.
_TRAINED = ("weight", "bias", "mean", "variance", "gamma", "beta", "alpha")
#: Bytes of a value, by MIL type; packed types have fractions.
_BYTES = {"FLOAT16": 2.0, "FLOAT32": 4.0, "INT32": 4.0, "INT8": 1.0, "UINT8": 1.0, "INT4": 0.5, "UINT4": 0.5}


def inspect(file: Path) -> Inspection:
    """Return the contents of a ``.mlpackage``.

    Raises:
        ArtifactError: the package is damaged.
        TargetError: the program nests blocks.
    """
    program = open_program(file)
    return Inspection(
        target="coreml",
        file=file.name,
        format=f"ML Program {program.opset}, iOS {minimum_ios(program)} or later",
        size_bytes=size_of(file),
        operations=dict(Counter(operation.kind for operation in program.operations).most_common()),
        parameters=_parameters(program),
        macs=_macs(program),
        weights=_weights(program).table(),
        inputs=tuple(_port(name, declared) for name, declared in program.inputs.items()),
        outputs=tuple(_port(name, program.types.get(name)) for name in program.outputs),
        delegated=Unknown(reason="Core ML decides per device at load time; the compute plan needs macOS"),
        activation_bytes=Unknown(reason="Core ML plans memory on the device when it loads the model"),
        advice=advice(program),
    )


def minimum_ios(program: Program) -> int:
    """Return the iOS version that introduced the specification: 15 for 6, one more for each (Model.proto)."""
    return program.specification_version + 9


def _shape(argument: Argument | None, program: Program) -> tuple[int, ...] | None:
    if isinstance(argument, Reference):
        declared = program.types.get(argument.name)
        if declared is None or None in declared.shape:
            return None
        return tuple(size for size in declared.shape if size is not None)
    return argument.shape if isinstance(argument, np.ndarray) else None


def _parameters(program: Program) -> int:
    produced = {name for operation in program.operations for name, _ in operation.outputs}
    constant = {
        name
        for operation in program.operations
        if operation.kind.startswith("constexpr_")
        for name, _ in operation.outputs
    }
    seen: set[str] = set()
    total = 0
    for operation in program.operations:
        for parameter in _TRAINED:
            argument = operation.arguments.get(parameter)
            if isinstance(argument, Reference):
                if argument.name in seen or (argument.name in produced and argument.name not in constant):
                    continue
                seen.add(argument.name)
            shape = _shape(argument, program)
            total += math.prod(shape) if shape else 0
    return total


def _macs(program: Program) -> int | Unknown:
    total = 0
    for operation in program.operations:
        if operation.kind not in ("conv", "conv_transpose", "linear", "matmul"):
            continue
        found = _layer_macs(operation, program)
        if found is None:
            return Unknown(reason=f"the shape of {operation.kind} '{operation.name}' is not fixed")
        total += found
    return total


def _layer_macs(operation: Operation, program: Program) -> int | None:
    x = _shape(operation.arguments.get("x"), program)
    weight = _shape(operation.arguments.get("weight"), program)
    result = _shape(Reference(operation.outputs[0][0]), program)
    if x is None or result is None:
        return None
    if operation.kind == "matmul":
        flipped = operation.arguments.get("transpose_x")
        turned = isinstance(flipped, Reference) and bool(program.constants.get(flipped.name))
        return math.prod(result) * x[-2 if turned else -1]
    if weight is None:
        return None
    if operation.kind == "linear":
        return math.prod(result) * weight[1]
    return math.prod(weight[1:]) * math.prod(x if operation.kind == "conv_transpose" else result)


def _weights(program: Program) -> WeightCounter:
    """Count constants of rank 1 and more of a number type, as they are stored; integer vectors are shapes."""
    counter = WeightCounter()

    def add(dtype: str, array: NDArray[np.generic]) -> None:
        if array.ndim and dtype in _BYTES and dtype != "INT32":
            counter.add(dtype.lower(), array.size, math.ceil(array.size * _BYTES[dtype]))

    for name, constant in program.constants.items():
        declared = program.constant_types.get(name)
        if isinstance(constant, np.ndarray) and declared is not None:
            add(declared.dtype, constant)
    for operation in program.operations:
        for value in operation.arguments.values():
            if isinstance(value, np.ndarray):  # constexpr arguments of iOS 16 and 17 carry their values
                add(_mil_name(value.dtype), value)
    return counter


def _mil_name(dtype: np.dtype[np.generic]) -> str:
    return {"f": "FLOAT", "i": "INT", "u": "UINT", "b": "BOOL"}.get(dtype.kind, "?") + str(dtype.itemsize * 8)


def _port(name: str, declared: TensorType | None) -> Port:
    if declared is None:
        return Port(name=name, dtype="dictionary", shape=())
    return Port(name=name, dtype=declared.dtype.lower(), shape=declared.shape)
