"""Reading a LiteRT file: operators, weights, shapes."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from fer_deploy.errors import ArtifactError, TargetError
from fer_deploy.files import size_of
from fer_deploy.frozen import Unknown
from fer_deploy.targets.inspection import Inspection, Port, Share, WeightCounter
from fer_deploy.targets.litert.runtime import IDENTIFIER, obstacle, read

#: Layers, with the places of their weight and bias among their inputs.
LAYERS = {
    "CONV_2D": (1, 2), "DEPTHWISE_CONV_2D": (1, 2), "CONV_3D": (1, 2), "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
}  # fmt: skip
_BYTES = {
    "FLOAT32": ("float32", 4), "INT8": ("int8", 1), "INT32": ("int32", 4), "BOOL": ("bool", 1), "INT64": ("int64", 8),
    "UINT8": ("uint8", 1), "FLOAT16": ("float16", 2),
}  # fmt: skip


def open_model(file: Path) -> Any:
    """Return a file as the schema's objects.

    Raises:
        ArtifactError: it is no LiteRT file of one graph.
        TargetError: the schema is not installed.
    """
    if (missing := obstacle()) is not None:
        raise TargetError(missing)
    from ai_edge_litert import schema_py_generated as schema

    content = read(file)
    if content[4:8] != IDENTIFIER:
        raise ArtifactError(f"{file} is not a LiteRT file: it is not marked {IDENTIFIER.decode()}")
    try:
        model = schema.ModelT.InitFromPackedBuf(content)
        (graph,) = model.subgraphs
        kinds(model)
        for operator in graph.operators:
            assert all(
                -1 <= int(index) < len(graph.tensors) for index in (*operator.inputs, *operator.outputs)
            )
    except Exception as error:  # the generated reader follows whatever offsets the file has
        raise ArtifactError(f"{file} is not a LiteRT file of one graph: {error}") from None
    return model


def kinds(model: Any) -> list[str]:
    """Return the name of every operator of a file, in the order they run."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return [names[codes[operator.opcodeIndex]] for operator in model.subgraphs[0].operators]


def dtype(tensor: Any) -> tuple[str, int]:
    """Return a tensor's type as numpy calls it, and the bytes of an element."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
    return _BYTES.get(names[tensor.type], (names[tensor.type].lower(), 0))


def inspect(file: Path, delegated: Share | Unknown) -> Inspection:
    """Return the contents of a LiteRT file; ``delegated`` is counted by the target, with its runtime.

    Raises:
        ArtifactError, TargetError: as :func:`open_model`.
    """
    model = open_model(file)
    graph = model.subgraphs[0]
    names = kinds(model)
    counter = WeightCounter()
    for tensor in graph.tensors:
        stored = model.buffers[tensor.buffer].data
        if stored is not None and len(stored):
            name, _ = dtype(tensor)
            counter.add(name, math.prod(_shape(tensor)), len(stored))
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            count = len(tensor.quantization.scale)
            counter.add("float32", count, 4 * count)
            counter.add("int64", count, 8 * count)
    return Inspection(
        target="litert",
        file=file.name,
        format=f"LiteRT schema {model.version}",
        size_bytes=size_of(file),
        operations=dict(Counter(names).most_common()),
        parameters=_parameters(model, names),
        macs=sum(_macs(graph, operator, name) for operator, name in zip(graph.operators, names, strict=True)),
        weights=counter.table(),
        inputs=tuple(_port(graph.tensors[index]) for index in graph.inputs),
        outputs=tuple(_port(graph.tensors[index]) for index in graph.outputs),
        delegated=delegated,
        activation_bytes=Unknown(reason="LiteRT plans memory when it loads the model"),
    )


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(side) for side in tensor.shape)


def _parameters(model: Any, names: list[str]) -> int:
    graph = model.subgraphs[0]
    found = {
        int(operator.inputs[place])
        for operator, name in zip(graph.operators, names, strict=True)
        for place in LAYERS.get(name, ())
        if place < len(operator.inputs) and operator.inputs[place] >= 0
    }
    return sum(math.prod(_shape(graph.tensors[index])) for index in found if graph.tensors[index].buffer)


def _macs(graph: Any, operator: Any, name: str) -> int:
    """Return an operator's multiply-accumulates, by the layouts that the schema gives its weights."""
    shapes = [_shape(graph.tensors[index]) for index in operator.inputs if index >= 0]
    result = math.prod(_shape(graph.tensors[operator.outputs[0]]))
    if name == "CONV_2D":  # output, height, width, input
        return result * math.prod(shapes[1][1:])
    if name == "DEPTHWISE_CONV_2D":  # 1, height, width, output
        return result * math.prod(shapes[1][1:3])
    if name == "CONV_3D":  # depth, height, width, input, output
        return result * math.prod(shapes[1][:4])
    if name == "FULLY_CONNECTED":
        return result * shapes[1][-1]
    if name == "TRANSPOSE_CONV":  # output, height, width, input; every element of the map times all of it
        return math.prod(shapes[2]) * math.prod(shapes[1][:3])
    if name == "BATCH_MATMUL":
        return result * shapes[0][-2 if operator.builtinOptions.adjX else -1]
    return 0


def _port(tensor: Any) -> Port:
    return Port(name=tensor.name.decode(), dtype=dtype(tensor)[0], shape=_shape(tensor))
