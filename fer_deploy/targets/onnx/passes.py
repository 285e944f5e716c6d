"""Graph passes between torch's exporter and the artifact. Each changes the proto in place."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
from onnx import numpy_helper


def activations_to_uint8(graph: onnx.GraphProto) -> int:
    """Shift every int8 activation and its zero point by 128 to uint8; return the number of nodes changed.

    Exact: real value = scale x (integer - zero point), and both move together. ONNX Runtime keeps
    operations with int8 activations in float on x86 unless it can shift the pair itself, which it cannot
    where a value is used twice: every residual connection (9 of 32 convolutions of fer_s). ARM takes both.

    Weights, dequantized straight from an initializer, stay int8.
    """
    constants = {item.name: item for item in graph.initializer}
    shifted: dict[str, str] = {}
    changed = 0
    for node in graph.node:
        is_activation = node.op_type == "QuantizeLinear" or (
            node.op_type == "DequantizeLinear" and node.input[0] not in constants
        )
        if not is_activation or len(node.input) < 3:
            continue
        name = node.input[2]
        zero_point = numpy_helper.to_array(constants[name])
        if zero_point.dtype != np.int8:
            continue
        if name not in shifted:
            shifted[name] = f"{name}_uint8"
            value = (zero_point.astype(np.int16) + 128).astype(np.uint8)
            graph.initializer.append(numpy_helper.from_array(value, shifted[name]))
        node.input[2] = shifted[name]
        for attribute in [item for item in node.attribute if item.name == "output_dtype"]:
            node.attribute.remove(attribute)  # the zero point's type decides
        changed += 1
    _drop_unused(graph)
    return changed


def own_weight_constants(graph: onnx.GraphProto) -> int:
    """Give every weight's DequantizeLinear constants of its own; return how many were shared before.

    ONNX Runtime turns int8 weights to uint8 where ``session.x64quantprecision`` asks for it (x86 without
    VNNI). It does so in place, and fails on a constant that it has changed already: "Attempt to replace
    the existing tensor" (onnxruntime 1.32.0). The exporter shares zero points between layers of equal width, and
    integers between constants of equal bytes.
    """
    constants = {item.name: item for item in graph.initializer}
    taken: set[str] = set()
    copied = 0
    for index, node in enumerate(graph.node):
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants or len(node.input) < 3:
            continue
        for position in (0, 2):
            name = node.input[position]
            if name in taken:
                copied += 1
                item = onnx.TensorProto()
                item.CopyFrom(constants[name])
                item.name = f"{name}_of_{index}"
                graph.initializer.append(item)
                node.input[position] = item.name
            taken.add(name)
    return copied


def shared_weights_to_uint8(graph: onnx.GraphProto) -> int:
    """Shift int8 constants that several operations read to uint8, zero point and all; return how many.

    A recurrent layer reads its weight at every step. ONNX Runtime would turn each reading into uint8 in place, as in
    :func:`own_weight_constants`, and fail at the second; a copy for each would multiply the file.
    """
    constants = {item.name: item for item in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    changed = 0
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants or len(node.input) < 3:
            continue
        pair = [(name, numpy_helper.to_array(constants[name])) for name in (node.input[0], node.input[2])]
        if readers[node.output[0]] < 2 or any(value.dtype != np.int8 for _, value in pair):
            continue
        for position, (name, value) in zip((0, 2), pair, strict=True):
            shifted = (value.astype(np.int16) + 128).astype(np.uint8)
            graph.initializer.append(numpy_helper.from_array(shifted, f"{name}_of_{node.name}_uint8"))
            node.input[position] = graph.initializer[-1].name
        changed += 1
    _drop_unused(graph)
    return changed


def mean_to_global_pool(graph: onnx.GraphProto) -> int:
    """Write the mean over a map's height and width as GlobalAveragePool; return how many were changed.

    The ranks are those that the exporter wrote; a mean of a value whose rank it did not write stays.

    The exporter makes ReduceMean of AdaptiveAvgPool2d(1). ONNX Runtime has an integer kernel for the pool
    (QLinearGlobalAveragePool) and none for the mean, which it would compute in float.
    """
    constants = {item.name: item for item in graph.initializer}
    ranks = {
        item.name: len(item.type.tensor_type.shape.dim)
        for item in (*graph.input, *graph.value_info, *graph.output)
        if item.type.tensor_type.HasField("shape")
    }
    changed = 0
    for node in graph.node:
        if node.op_type != "ReduceMean" or len(node.input) < 2 or node.input[1] not in constants:
            continue
        if ranks.get(node.input[0]) != 4:
            continue  # GlobalAveragePool averages every axis from the third on
        axes = sorted(int(axis) % 4 for axis in numpy_helper.to_array(constants[node.input[1]]))
        keeps = all(item.i == 1 for item in node.attribute if item.name == "keepdims")
        if axes != [2, 3] or not keeps:
            continue
        node.op_type = "GlobalAveragePool"
        del node.input[1:]
        del node.attribute[:]
        changed += 1
    _drop_unused(graph)
    return changed


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def strip_metadata(model: onnx.ModelProto) -> None:
    """Remove the exporter's stack traces and names from nodes and values: they hold paths of the build machine."""
    del model.metadata_props[:]
    model.doc_string = ""
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.doc_string = ""
        del item.metadata_props[:]
    del graph.value_info[:]
