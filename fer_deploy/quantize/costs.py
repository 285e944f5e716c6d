"""What one inference costs before any device is known: operators with their multiplications and data.

Operators are those that a runtime executes: normalisation folded, ReLU fused, quantize and dequantize gone.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fer_deploy.quiet import quiet

if TYPE_CHECKING:
    import torch

    from fer_deploy.quantize.graph import Graph

#: Shapes of the values of a graph's nodes, of those that are tensors.
Shapes = dict["torch.fx.Node", tuple[int, ...]]
Kind = Literal["conv", "pointwise", "depthwise", "grouped", "linear", "pool", "elementwise"]
KINDS: tuple[Kind, ...] = ("conv", "pointwise", "depthwise", "grouped", "linear", "pool", "elementwise")


@dataclass(frozen=True)
class Op:
    """One operator as it runs: normalisation folded, ReLU and ReLU6 fused into what they follow.

    Attributes:
        kind: conv (dense, kernel above 1x1), pointwise (dense 1x1), depthwise, grouped, linear, pool,
            elementwise (additions, products, activations that stay operators, concatenation, shuffles).
        macs: multiply-accumulates.
        weights: number of weights, biases left out.
        inputs: elements read, weights left out.
        outputs: elements written.
        kernel: side of the (square) kernel; 1 where there is none.
        stride: of the kernel; 1 where there is none.
    """

    kind: Kind
    macs: int
    weights: int
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1


@dataclass(frozen=True)
class GraphCosts:
    """The operators of one inference at batch 1, in any order."""

    name: str
    ops: tuple[Op, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(op.macs for op in self.ops)

    @property
    def weights(self) -> int:
        """Number of weights, biases and folded normalisation left out."""
        return sum(op.weights for op in self.ops)

    def macs_by_kind(self) -> dict[Kind, int]:
        """Return multiply-accumulates per kind of operator, every kind present."""
        counter: Counter[Kind] = Counter()
        for op in self.ops:
            counter[op.kind] += op.macs
        return {kind: counter[kind] for kind in KINDS}


#: Fused into what they follow, or no work at all when a graph runs.
_FREE = (
    *(
        "_native_batch_norm_legit_no_training",
        "native_batch_norm",
        "batch_norm",
        "relu",
        "relu_",
        "relu6",
        "relu6_",
    ),
    *("hardtanh", "hardtanh_"),
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
#: What an export leaves as it is, beside the above. Others may be made of several: those are exported to be counted.
_KEPT = (
    *(*_FREE, *_POOLS, "conv2d", "linear", "mean", "cat", "sigmoid", "tanh", "prelu"),
    *("add", "sub", "mul", "div", "maximum", "minimum", "pow", "exp", "sqrt", "rsqrt", "neg"),
)
#: What export leaves whole although convolutions or products are inside: counted as those.
_OPENED = (
    *("conv1d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "matmul", "einsum"),
    *("scaled_dot_product_attention", "_scaled_dot_product_attention_math"),
)


@functools.lru_cache(maxsize=8)
def graph_costs(graph: Graph) -> GraphCosts:
    """Return the operators of a float or quantized graph at batch 1.

    Quantize and dequantize operators are not counted: runtimes fold them into their integer kernels.
    """
    shapes = _shapes(graph)
    ops = [op for node in shapes if (op := _op(node, shapes)) is not None]
    return GraphCosts(f"a {graph.recipe.name} graph", tuple(ops))


def _shapes(graph: Graph) -> Shapes:
    """Return the shape of every tensor of a graph at batch 1, in the order of the graph."""
    import torch

    module = graph.module
    if isinstance(module, torch.fx.GraphModule) and all(map(_stays, module.graph.nodes)):
        # an image through the graph is cheaper by far than another export, and no operator differs
        return _shapes_seen(module, torch.zeros(graph.contract.input.shape))
    table = torch.export.default_decompositions()
    opened = {operator: table[operator] for operator in table if _base_name(operator) in _OPENED}
    exported = graph.export()
    nodes = exported.graph.nodes
    if not all(map(_stays, nodes)):  # else no operator differs, and decomposing traces it all twice more
        with quiet():  # torch warns of its own deprecated tree specs here
            nodes = exported.run_decompositions(opened).graph.nodes
    return {node: tuple(value.shape) for node in nodes if hasattr(value := node.meta.get("val"), "shape")}


def _stays(node: torch.fx.Node) -> bool:
    """Whether an export is known to leave an operator as it is, or none of it that counts."""
    return node.op != "call_function" or _base_name(node.target) in _KEPT


def _shapes_seen(module: torch.fx.GraphModule, image: torch.Tensor) -> Shapes:
    import torch

    shapes: Shapes = {}

    class Seen(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            value = super().run_node(n)
            if isinstance(value, torch.Tensor):
                shapes[n] = tuple(value.shape)
            return value

    with torch.inference_mode():
        Seen(module).run(image)
    return shapes


def _base_name(operator: Any) -> str:
    """Return an operator's name without library and overload."""
    # "aten.add.Tensor" and "quantized_decomposed.quantize_per_tensor.default", but plain Python's getitem
    parts = str(operator).split(".")
    return parts[-2] if len(parts) > 2 else str(getattr(operator, "__name__", operator))


def _op(node: torch.fx.Node, table: Shapes) -> Op | None:
    if node.op != "call_function":
        return None
    name = _base_name(node.target)
    if name in _FREE:
        return None
    shapes = [table[arg] for arg in node.all_input_nodes if arg in table]
    output = math.prod(table[node])
    if name in ("convolution", "conv2d"):
        return _convolution(node, shapes, table[node])
    if name in _PRODUCTS:
        left, right = shapes[-2:] if name != "linear" else shapes[:2]
        weights = math.prod(right)
        macs = math.prod(left) * (right[-1] if name != "linear" else right[0])
        return Op("linear", macs, weights, math.prod(left), output)
    inputs = sum(math.prod(shape) for shape in shapes)
    if name in _POOLS or (name == "mean" and len(shapes[0]) == 4):
        return Op("pool", 0, 0, inputs, output)
    return Op("elementwise", 0, 0, inputs, output)


def _convolution(node: torch.fx.Node, shapes: list[tuple[int, ...]], output: tuple[int, ...]) -> Op:
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
    positions = math.prod(feature[2:] if transposed else output[2:])
    return Op(kind, weights * positions, weights, math.prod(feature), math.prod(output), kernel, stride)
