"""Counts the operators of a graph as a runtime will run it, from the shapes that really flow through it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fer_deploy.devices.estimator.ops import GraphCosts, Kind, Op

if TYPE_CHECKING:
    import torch

    from fer_deploy.quantize.graph import Graph

#: Fused into what they follow, or no work at all when a graph runs.
_FREE = (
    *("_native_batch_norm_legit_no_training", "native_batch_norm", "relu", "relu_", "hardtanh", "hardtanh_"),
    *("clamp", "view", "_unsafe_view", "reshape", "permute", "t", "transpose", "squeeze", "unsqueeze"),
    *("flatten", "dropout", "native_dropout", "clone", "alias", "detach", "getitem", "expand", "slice"),
    *("quantize_per_tensor", "dequantize_per_tensor", "quantize_per_channel", "dequantize_per_channel"),
    *("_to_copy", "to", "full", "scalar_tensor", "lift_fresh_copy"),
)
_POOLS = (
    "avg_pool2d",
    "max_pool2d_with_indices",
    "max_pool2d",
    "adaptive_avg_pool2d",
    "_adaptive_avg_pool2d",
)
_PRODUCTS = ("addmm", "mm", "bmm", "linear")


def graph_costs(graph: Graph) -> GraphCosts:
    """Return the operators of a float or quantized graph at batch 1.

    Quantize and dequantize operators are not counted: runtimes fold them into their integer kernels.
    """
    program = graph.export().run_decompositions({})
    ops = [op for node in program.graph.nodes if (op := _op(node)) is not None]
    return GraphCosts(f"a {graph.recipe.name} graph", tuple(ops))


def _op(node: torch.fx.Node) -> Op | None:
    if node.op != "call_function":
        return None
    name = str(node.target).split(".")[-2] if "." in str(node.target) else str(node.target)
    if name in _FREE or not hasattr(node.meta.get("val"), "shape"):
        return None
    shapes = [
        tuple(arg.meta["val"].shape) for arg in node.all_input_nodes if hasattr(arg.meta.get("val"), "shape")
    ]
    output = math.prod(node.meta["val"].shape)
    if name in ("convolution", "conv2d"):
        return _convolution(node, shapes, output)
    if name in _PRODUCTS:
        left, right = shapes[-2:] if name != "linear" else shapes[:2]
        weights = math.prod(right)
        macs = math.prod(left) * (right[-1] if name != "linear" else right[0])
        return Op("linear", macs, weights, math.prod(left), output)
    inputs = sum(math.prod(shape) for shape in shapes)
    if name in _POOLS or (name == "mean" and len(shapes[0]) == 4):
        return Op("pool", 0, 0, inputs, output)
    return Op("elementwise", 0, 0, inputs, output)


def _convolution(node: torch.fx.Node, shapes: list[tuple[int, ...]], output: int) -> Op:
    feature, weight = shapes[0], shapes[1]
    arguments: tuple[Any, ...] = node.args
    stride = max(arguments[3]) if len(arguments) > 3 and arguments[3] else 1
    transposed = bool(arguments[6]) if len(arguments) > 8 else False
    groups = int(arguments[8]) if len(arguments) > 8 else int(arguments[6]) if len(arguments) > 6 else 1
    kernel = max(weight[2:])
    kind: Kind
    if groups == 1:
        kind = "pointwise" if kernel == 1 else "conv"
    else:
        kind = "depthwise" if groups == feature[1] and weight[1] == 1 else "grouped"
    weights = math.prod(weight)
    positions = math.prod(feature[2:]) if transposed else math.prod(node.meta["val"].shape[2:])
    return Op(kind, weights * positions, weights, math.prod(feature), output, kernel, stride)
