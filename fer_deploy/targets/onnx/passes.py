"""Graph passes between torch's exporter and the artifact. Each changes the proto in place."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import onnx
from onnx import numpy_helper

#: Operators whose second input is a weight for which ONNX Runtime has kernels of signed integers.
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def integers_to_uint8(graph: onnx.GraphProto) -> int:
    """Shift every int8 value, its zero point with it, by 128 to uint8; return the number of nodes changed.

    Exact: real value = scale x (integer - zero point), and both move together.

    Activations: ONNX Runtime keeps operations with int8 activations in float on x86 unless it can shift the pair
    itself, which it cannot where a value is used twice: every residual connection (9 of 32 convolutions of fer_s).

    Weights: x86 without VNNI adds pairs of uint8 x int8 products in 16 bits, where they saturate; uint8 x uint8 it does
    exactly (onnxruntime 1.32.0). ARM is exact with either, and has faster convolutions for symmetric int8 weights.
    """
    constants = {item.name: item for item in graph.initializer}
    shifted: dict[str, str] = {}

    def shift(name: str) -> str:
        if name not in shifted:
            shifted[name] = f"{name}_uint8"
            value = numpy_helper.to_array(constants[name]).astype(np.int16) + 128
            graph.initializer.append(numpy_helper.from_array(value.astype(np.uint8), shifted[name]))
        return shifted[name]

    changed = 0
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear") or len(node.input) < 3:
            continue
        if numpy_helper.to_array(constants[node.input[2]]).dtype != np.int8:
            continue
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            node.input[0] = shift(node.input[0])
        node.input[2] = shift(node.input[2])
        for attribute in [item for item in node.attribute if item.name == "output_dtype"]:
            node.attribute.remove(attribute)  # the zero point's type decides
        changed += 1
    _drop_unused(graph)
    return changed


def weights_to_int8(graph: onnx.GraphProto) -> int:
    """Shift the uint8 weights of convolutions and matrix products by -128 to int8; return the number of nodes changed.

    Exact, as :func:`integers_to_uint8` is. A constant that anything else reads stays: ONNX Runtime's integer additions
    and products take two operands of one type.
    """
    constants = {item.name: item for item in graph.initializer}
    readers = Counter(name for node in graph.node for name in node.input)
    weights = {node.input[1] for node in graph.node if node.op_type in _WEIGHTED and len(node.input) > 1}
    others = {
        name
        for node in graph.node
        for place, name in enumerate(node.input)
        if node.op_type not in _WEIGHTED or place != 1
    } | {item.name for item in graph.output}
    changed = 0
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in constants or len(node.input) < 3:
            continue
        value, zero = (numpy_helper.to_array(constants[node.input[place]]) for place in (0, 2))
        read = node.output[0]
        if value.dtype != np.uint8 or read not in weights - others or readers[node.input[0]] > 1:
            continue
        for place, old in ((0, value), (2, zero)):
            name = f"{node.output[0]}_{'weight' if place == 0 else 'zero'}_int8"
            graph.initializer.append(
                numpy_helper.from_array((old.astype(np.int16) - 128).astype(np.int8), name)
            )
            node.input[place] = name
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


def one_grid_a_constant(graph: onnx.GraphProto) -> int:
    """Give every quantized constant one scale and zero point, copying it for each further pair; return the copies.

    The exporter stores equal integers once: the weights of two BatchNorms that stand alone, all at their largest value,
    are one constant that two nodes dequantize on grids of their own. ONNX says what that means, but the QNN provider of
    onnxruntime-qnn 2.7.0 keeps one grid a name: on the Hexagon NPU every layer but the first is computed with the
    first one's scales (a network of ours: 27 % of its images kept their class). No report of it was found upstream.
    """
    constants = {item.name: item for item in graph.initializer}
    names: defaultdict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or (constant := node.input[0]) not in constants:
            continue
        named, grid = names[constant], tuple(node.input[1:])
        if grid not in named:
            named[grid] = f"{constant}_grid{len(named)}" if named else constant
            if named[grid] != constant:
                copy = graph.initializer.add()
                copy.CopyFrom(constants[constant])
                copy.name = named[grid]
        node.input[0] = named[grid]
    return sum(len(named) - 1 for named in names.values())


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
