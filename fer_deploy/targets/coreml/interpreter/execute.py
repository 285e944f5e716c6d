"""The executor: runs a program op by op in torch, on a batch of images at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter import operations as operations
from fer_deploy.targets.coreml.interpreter.program import (
    Argument,
    Constant,
    Operation,
    Program,
    Reference,
    TensorType,
)
from fer_deploy.targets.coreml.interpreter.sums import SUMS, Accumulation, round_to_fp16
from fer_deploy.targets.coreml.interpreter.table import OPERATIONS, Entry

#: Images at a time: larger batches of 48 px images leave a core's cache and are slower (see benchmarks).
BATCH = 16
_TYPES = {
    "BOOL": torch.bool,
    "INT8": torch.int8,
    "INT16": torch.int16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "UINT8": torch.uint8,
    "UINT16": torch.int32,  # torch has no arithmetic on wider unsigned types
    "UINT32": torch.int64,
    "INT4": torch.int8,
    "UINT4": torch.uint8,
    "UINT1": torch.uint8,
    "FLOAT32": torch.float32,
}


@dataclass(frozen=True)
class _Step:
    """An operation made ready: constants converted, arguments that change per image named."""

    operation: Operation
    entry: Entry
    constants: dict[str, Any]
    references: dict[str, Argument]
    keywords: dict[str, Any]
    frees: list[str] = field(default_factory=list)


class Interpreter:
    """A program ready to run.

    Values are float32 tensors; the result of an operation that the program declares FLOAT16 is rounded
    to fp16. Operations on constants alone run once, here.
    """

    def __init__(self, program: Program, accumulation: Accumulation = "fp32") -> None:
        """Prepare ``program``; ``accumulation`` is how FLOAT16 convolutions and matrix products sum.

        Raises:
            TargetError: the program has an operation, or an operation's parameter, that is not in the table.
        """
        self.program = program
        self.accumulation = accumulation
        require_known_operations(program)
        self._values: dict[str, Any] = {
            name: _value(constant) for name, constant in program.constants.items()
        }
        self._steps: list[_Step] = []
        #: Values that stay float32, though they are declared int8: it holds their whole numbers exactly.
        self._whole_in_float: frozenset[str] = frozenset()
        for operation in program.operations:
            if operation.kind == "classify":
                continue
            step = self._step(operation)
            if step.references:
                self._steps.append(step)
            else:
                self._values.update(self._execute(step, {}))
        self._outputs = self._output_values()
        self._plan_frees()
        self._whole_in_float = self._only_dequantized()

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
        """Return every output, (N, *declared shape without its batch of 1), for N stacked inputs.

        Args:
            inputs: input name to float32 (N, ...): the program's shape with its batch of 1 replaced by N.
                For an image its pixels, RGB or grey, whatever order the program wants.

        Raises:
            TargetError: an operation failed, or gave another shape than the program declares.
        """
        arrays = [self._as_core_ml_feeds(name, inputs[name]).unsqueeze(1) for name in self.program.inputs]
        parts: dict[str, list[Tensor]] = {name: [] for name in self._outputs}
        forward = torch.func.vmap(self._forward)
        with torch.inference_mode():
            for start in range(0, len(arrays[0]), BATCH):
                results = forward(*[array[start : start + BATCH] for array in arrays])
                for name, result in zip(self._outputs, results, strict=True):
                    parts[name].append(result.squeeze(1) if result.ndim > 1 else result)
        return {name: torch.cat(part).numpy() for name, part in parts.items()}

    def _as_core_ml_feeds(self, name: str, array: NDArray[np.float32]) -> Tensor:
        """Return an input as a tensor; images whose program wants BGR get their channels turned around."""
        colors = {feature.name: feature.color for feature in self.program.input_features}
        ordered = array[:, ::-1] if colors.get(name) == "BGR" else array
        return torch.from_numpy(np.ascontiguousarray(ordered))

    def _forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        values: dict[str, Any] = {}
        for (name, declared), tensor in zip(self.program.inputs.items(), inputs, strict=True):
            values[name] = _as_declared(tensor, declared)
        for step in self._steps:
            values.update(self._execute(step, values))
            for name in step.frees:
                del values[name]
        return tuple(
            values[source] if source in values else self._values[source] for source in self._outputs.values()
        )

    def _step(self, operation: Operation) -> _Step:
        entry = OPERATIONS[operation.kind]
        constants: dict[str, Any] = {}
        references: dict[str, Argument] = {}
        for name, argument in operation.arguments.items():
            resolved = self._resolved(argument)
            if isinstance(resolved, _Pending):
                references[name] = argument
            else:
                constants[name] = resolved
        keywords: dict[str, Any] = {}
        if entry.takes_sums:
            output = operation.outputs[0][1]
            in_fp16 = output is not None and output.dtype == "FLOAT16"
            keywords["sums"] = SUMS[self.accumulation if in_fp16 else "fp32"]
        return _Step(operation, entry, constants, references, keywords)

    def _resolved(self, argument: Argument) -> Any:
        """Return the argument's constant value, or _PENDING when it depends on the inputs."""
        if isinstance(argument, tuple):
            items = [self._resolved(item) for item in argument]
            return _PENDING if any(isinstance(item, _Pending) for item in items) else items
        if isinstance(argument, Reference):
            return self._values.get(argument.name, _PENDING)
        return _value(argument)

    def _look_up(self, argument: Argument, values: Mapping[str, Any]) -> Any:
        if isinstance(argument, tuple):
            return [self._look_up(item, values) for item in argument]
        if isinstance(argument, Reference):
            return values[argument.name] if argument.name in values else self._values[argument.name]
        return _value(argument)

    def _execute(self, step: _Step, values: Mapping[str, Any]) -> dict[str, Tensor]:
        operation = step.operation
        arguments = {name: self._look_up(argument, values) for name, argument in step.references.items()}
        try:
            result = step.entry.function(**step.constants, **arguments, **step.keywords)
        except TargetError as error:
            raise TargetError(f"{error} (operation '{operation.kind}' at '{operation.name}')") from None
        except (RuntimeError, IndexError, ValueError, TypeError, KeyError, AssertionError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise TargetError(
                f"cannot execute Core ML operation '{operation.kind}' at '{operation.name}': {first}"
            ) from error
        results = result if isinstance(result, tuple) else (result,)
        named = {}
        for (name, declared), value in zip(operation.outputs, results, strict=True):
            named[name] = value if name in self._whole_in_float else _as_declared(value, declared)
            _require_shape(operation, named[name], declared)
        return named

    def _output_values(self) -> dict[str, str]:
        """Return output name to the value it shows; a classifier's probabilities stand for its dictionary."""
        outputs = {name: name for name in self.program.outputs}
        for operation in self.program.operations:
            if operation.kind == "classify":
                for name, _ in operation.outputs:
                    outputs.pop(name, None)
                source = operation.arguments["probabilities"]
                assert isinstance(source, Reference)
                outputs[self.program.probabilities_name] = source.name
        return outputs

    def _only_dequantized(self) -> frozenset[str]:
        """Return the quantized values that dequantize alone reads, which takes them as numbers."""
        quantized: set[str] = set()
        otherwise = set(self._outputs.values())
        for step in self._steps:
            if step.operation.kind == "quantize":
                quantized.update(name for name, _ in step.operation.outputs)
            if step.operation.kind != "dequantize":
                otherwise.update(step.operation.references())
        return frozenset(quantized - otherwise)

    def _plan_frees(self) -> None:
        kept = set(self._outputs.values())
        last: dict[str, _Step] = {}
        for step in self._steps:
            for name, _ in step.operation.outputs:
                last[name] = step
            for name in step.operation.references():
                if name not in self._values:
                    last[name] = step
        for name, step in last.items():
            if name not in kept:
                step.frees.append(name)


class _Pending:
    """The value of an argument that depends on the inputs."""


_PENDING = _Pending()


def require_known_operations(program: Program) -> None:
    """Raise TargetError naming the first operation, or parameter of one, that is not in the table."""
    for operation in program.operations:
        if operation.kind == "classify":
            continue
        entry = OPERATIONS.get(operation.kind)
        if entry is None:
            raise TargetError(f"cannot execute Core ML operation '{operation.kind}' at '{operation.name}'")
        unknown = set(operation.arguments) - entry.parameters
        if unknown:
            raise TargetError(
                f"cannot execute Core ML operation '{operation.kind}' at '{operation.name}': "
                f"its parameter '{min(unknown)}' is unknown"
            )


def _value(constant: Constant) -> Any:
    """Return a constant as operations take it: Python numbers for rank 0, float32 for every float type."""
    if isinstance(constant, str):
        return constant
    if isinstance(constant, list):
        return [_value(item) for item in constant]
    if constant.ndim == 0:
        return constant.item()
    if constant.dtype.kind == "f":
        return torch.from_numpy(constant.astype(np.float32))
    if constant.dtype.kind == "u" and constant.dtype.itemsize > 1:
        return torch.from_numpy(constant.astype(np.int64))
    return torch.from_numpy(np.ascontiguousarray(constant))


def _as_declared(value: Tensor, declared: TensorType | None) -> Tensor:
    if declared is None:
        return value
    if declared.dtype == "FLOAT16":
        return round_to_fp16(value.float() if value.dtype is not torch.float32 else value)
    wanted = _TYPES.get(declared.dtype)
    if wanted is None:
        raise TargetError(f"cannot execute a program with values of type {declared.dtype}")
    return value if value.dtype is wanted else value.to(wanted)


def _require_shape(operation: Operation, value: Tensor, declared: TensorType | None) -> None:
    if declared is None or None in declared.shape:
        return
    if tuple(value.shape) != declared.shape:
        raise TargetError(
            f"cannot execute Core ML operation '{operation.kind}' at '{operation.name}': it gave the shape "
            f"{list(value.shape)} where the program declares {list(declared.shape)}"
        )
