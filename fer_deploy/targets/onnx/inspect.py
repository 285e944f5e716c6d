"""Reading an ONNX file: operations, weights, shapes."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from fer_deploy.errors import ArtifactError
from fer_deploy.files import size_of
from fer_deploy.frozen import Unknown
from fer_deploy.targets.inspection import Inspection, Port, Share, WeightCounter

#: Layers whose second and third input are weight and bias.
_LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


def is_quantized(file: Path) -> bool:
    """Return whether an ONNX file quantizes activations; raises as :func:`inspect`."""
    return any(node.op_type == "QuantizeLinear" for node in _load(file).graph.node)


def _load(file: Path) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(file))
    except (DecodeError, OSError) as error:
        raise ArtifactError(f"{file} is not an ONNX model: {error}") from None
    if not model.graph.node:
        raise ArtifactError(f"{file} is not an ONNX model: it has no operation")
    return model


def inspect(file: Path, delegated: Share | Unknown) -> Inspection:
    """Return the contents of an ONNX file; ``delegated`` is counted by the target, with its runtime.

    Raises:
        ArtifactError: the file is not ONNX.
    """
    import onnx
    from onnx import numpy_helper

    model = _load(file)
    inferred = onnx.shape_inference.infer_shapes(model).graph
    graph = model.graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    counter = WeightCounter()
    for array in arrays.values():
        counter.add(str(array.dtype), array.size, array.nbytes)
    shapes: dict[str, tuple[int, ...]] = {name: array.shape for name, array in arrays.items()}
    for item in (*inferred.value_info, *inferred.input, *inferred.output):
        shapes[item.name] = tuple(d.dim_value for d in item.type.tensor_type.shape.dim)
    return Inspection(
        target="onnx",
        file=file.name,
        format=f"ONNX opset {model.opset_import[0].version}",
        size_bytes=size_of(file),
        operations=dict(Counter(node.op_type for node in graph.node).most_common()),
        parameters=_parameters(graph, arrays),
        macs=_macs(graph, shapes),
        weights=counter.table(),
        inputs=tuple(_port(item) for item in graph.input if item.name not in arrays),
        outputs=tuple(_port(item) for item in graph.output),
        delegated=delegated,
        activation_bytes=Unknown(reason="ONNX Runtime plans memory when it loads the model"),
    )


def _source(name: str, producers: dict[str, Any], arrays: dict[str, Any]) -> str | None:
    """Return the initializer behind ``name``, looking through dequantization and reshaping, or None."""
    while name not in arrays:
        node = producers.get(name)
        if node is None or node.op_type not in ("DequantizeLinear", "Transpose", "Reshape", "Identity"):
            return None
        name = node.input[0]
    return name


def _parameters(graph: Any, arrays: dict[str, Any]) -> int:
    producers = {output: node for node in graph.node for output in node.output}
    found: set[str] = set()
    for node in graph.node:
        names = node.input[1:3] if node.op_type in _LAYERS else []
        if node.op_type == "BatchNormalization":
            names = node.input[1:5]
        found.update(source for name in names if (source := _source(name, producers, arrays)) is not None)
    return sum(int(arrays[name].size) for name in found)


def _macs(graph: Any, shapes: dict[str, tuple[int, ...]]) -> int | Unknown:
    total = 0
    for node in graph.node:
        if node.op_type not in _LAYERS:
            continue
        first, second, result = (shapes.get(name) for name in (*node.input[:2], node.output[0]))
        if not first or not second or not result or 0 in (*first, *second, *result):
            return Unknown(reason=f"the shape of {node.op_type} '{node.name}' is not fixed")
        if node.op_type == "Conv":
            total += math.prod(second[1:]) * math.prod(result)
        elif node.op_type == "ConvTranspose":
            total += math.prod(second[1:]) * math.prod(first)
        elif node.op_type == "Gemm":
            flipped = any(item.name == "transA" and item.i for item in node.attribute)
            total += math.prod(result) * first[0 if flipped else 1]
        else:
            total += math.prod(result) * first[-1]
    return total


def _port(item: Any) -> Port:
    import onnx

    tensor = item.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return Port(name=item.name, dtype=dtype, shape=shape)
