"""Writes a LiteRT model: tensors, operators and constants into one flatbuffer.

The schema is ``ai_edge_litert.schema_py_generated``, made from
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

#: The version of the schema that every runtime since 2017 reads.
VERSION = 3
#: Where runtimes may map constants and read them in whole vectors (schema.fbs: ``force_align: 16``).
ALIGNMENT = 16
#: The key of the one signature, by the name that LiteRT's own converters give.
SIGNATURE = "serving_default"
_TYPES: dict[str, int] = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "int8": schema.TensorType.INT8,
    "bool": schema.TensorType.BOOL,
}
#: The version of an operator that has int8 kernels, where it is not the first; an older runtime then says that it
#: lacks the operator instead of running a kernel of another kind (tensorflow/lite/tools/versioning/op_version.cc).
_INT8_VERSIONS = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "ADD": 2, "MUL": 2, "CONCATENATION": 2, "MEAN": 2,
    "PAD": 2, "PADV2": 2, "MAX_POOL_2D": 2, "AVERAGE_POOL_2D": 2, "TRANSPOSE": 2, "STRIDED_SLICE": 2, "MAXIMUM": 2,
    "MINIMUM": 2, "DEQUANTIZE": 2, "GATHER": 2, "RESIZE_NEAREST_NEIGHBOR": 2, "TILE": 2, "BROADCAST_TO": 2,
}  # fmt: skip


@dataclass(frozen=True)
class IntegerGrid:
    """The int8 grid of an activation: real value = scale x (integer - zero_point)."""

    scale: float
    zero_point: int
    qmin: int = -128
    qmax: int = 127

    def integer(self, value: float) -> int:
        """Return the integer next to a real value, within the grid's ends."""
        if not np.isfinite(value):
            return self.qmax if value > 0 else self.qmin
        return int(min(max(round(value / self.scale) + self.zero_point, self.qmin), self.qmax))


@dataclass(frozen=True, eq=False)
class Channels:
    """The scales of a weight or bias, float32, one for each index of ``axis``; zero points are 0."""

    scales: NDArray[np.float32]
    axis: int


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer that starts where :data:`ALIGNMENT` asks: the generated one keeps to multiples of four only."""

    def Pack(self, builder: Any) -> Any:
        content = bytes(self.data) if self.data is not None else b""
        if content:
            builder.StartVector(1, len(content), ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if content:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


class Writer:
    """Collects tensors and operators, in the order they run, and packs them."""

    def __init__(self) -> None:
        """Start with an empty graph."""
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[tuple[int, int], int] = {}
        self._buffers: list[Any] = [
            _AlignedBuffer()
        ]  # the schema: the first is empty, for what has no content
        self._constants: dict[tuple[Any, ...], int] = {}
        self._names: dict[str, int] = {}

    def tensor(self, name: str, shape: Sequence[int], dtype: str, grid: IntegerGrid | None = None) -> int:
        """Add a tensor that an operator writes, and return its index."""
        quantization = None
        if grid is not None:
            quantization = _quantization(np.array([grid.scale], np.float32), [grid.zero_point], 0)
        return self._add(name, shape, dtype, quantization, 0)

    def constant(
        self,
        array: NDArray[Any],
        name: str = "constant",
        grid: IntegerGrid | None = None,
        channels: Channels | None = None,
    ) -> int:
        """Add a constant, or find the same one, and return its index."""
        array = np.ascontiguousarray(array).reshape(array.shape)
        scales = None if channels is None else (channels.scales.tobytes(), channels.axis)
        key = (str(array.dtype), array.shape, array.tobytes(), grid, scales)
        if key not in self._constants:
            buffer = _AlignedBuffer()
            buffer.data = np.frombuffer(array.tobytes(), np.uint8)
            self._buffers.append(buffer)
            quantization = None
            if channels is not None:
                quantization = _quantization(channels.scales, [0] * len(channels.scales), channels.axis)
            elif grid is not None:
                quantization = _quantization(np.array([grid.scale], np.float32), [grid.zero_point], 0)
            index = self._add(
                name,
                array.shape,
                str(array.dtype),
                quantization,
                len(self._buffers) - 1,
            )
            self._constants[key] = index
        return self._constants[key]

    def _add(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        quantization: Any,
        buffer: int,
    ) -> int:
        tensor = schema.TensorT()
        count = self._names[name] = self._names.get(name, 0) + 1
        tensor.name = (name if count == 1 else f"{name}#{count}").encode()
        tensor.shape = [int(side) for side in shape]
        tensor.type = _TYPES[dtype]
        tensor.buffer = buffer
        tensor.quantization = quantization
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def rename(self, index: int, name: str) -> None:
        """Call a tensor otherwise."""
        self._tensors[index].name = name.encode()

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: str | None = None,
        **fields: Any,
    ) -> None:
        """Add an operator by the schema's names of it and of its options; an absent input is -1."""
        integers = any(index >= 0 and self._tensors[index].type == _TYPES["int8"] for index in inputs)
        version = _INT8_VERSIONS.get(kind, 1) if integers else 1
        code = (getattr(schema.BuiltinOperator, kind), version)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault(code, len(self._codes))
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            for name, value in fields.items():
                assert hasattr(operator.builtinOptions, name), (options, name)
                setattr(operator.builtinOptions, name, value)
        self._operators.append(operator)

    def pack(self, inputs: dict[str, int], outputs: dict[str, int], description: str) -> bytes:
        """Return the file; equal calls give equal bytes."""
        graph = schema.SubGraphT()
        graph.name = b"main"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
        model = schema.ModelT()
        model.version, model.description = VERSION, description.encode()
        model.subgraphs, model.buffers = [graph], self._buffers
        model.operatorCodes = [_code(*code) for code in self._codes]
        model.signatureDefs = [_signature(inputs, outputs)]
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def _quantization(scales: NDArray[np.float32], zero_points: Sequence[int], axis: int) -> Any:
    found = schema.QuantizationParametersT()
    found.scale = scales.astype(np.float32)
    found.zeroPoint = np.array(zero_points, np.int64)
    found.quantizedDimension = axis
    return found


def _code(kind: int, version: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = kind, version
    # what readers of before 2020 look at; 127 stands for "see the other field" (schema.fbs)
    code.deprecatedBuiltinCode = min(kind, 127)
    return code


def _signature(inputs: dict[str, int], outputs: dict[str, int]) -> Any:
    def maps(tensors: dict[str, int]) -> list[Any]:
        found = []
        for name, index in tensors.items():
            one = schema.TensorMapT()
            one.name, one.tensorIndex = name.encode(), index
            found.append(one)
        return found

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE.encode(), 0
    signature.inputs, signature.outputs = maps(inputs), maps(outputs)
    return signature
