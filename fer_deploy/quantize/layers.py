"""Layers of an exported graph: the names that their authors gave them, and what each gives in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


#: Where :func:`name_layers` keeps a node's name; node meta survives prepare and convert.
LAYER_KEY = "fer_deploy_layer"
#: Where a node keeps which value of the network it gives: a convolution with a BatchNorm folded into it, that one's.
VALUE_KEY = "fer_deploy_value"


def weighted_operators() -> set[Any]:
    """Return the aten operators that have a weight as second and a bias as third argument."""
    import torch

    aten = torch.ops.aten
    return {
        aten.conv1d.default,
        aten.conv2d.default,
        aten.conv_transpose2d.input,
        aten.linear.default,
    }


def clamp_operators() -> set[Any]:
    """Return the aten operators that clamp, which engines fuse into the operation before."""
    import torch

    aten = torch.ops.aten
    return {
        aten.relu.default,
        aten.relu_.default,
        aten.hardtanh.default,
        aten.hardtanh_.default,
        aten.relu6.default,
        aten.relu6_.default,
        aten.clamp.default,
        aten.clamp_.default,
    }


def name_layers(module: torch.fx.GraphModule) -> None:
    """Give every operation of an exported graph, before prepare, a unique name in its meta.

    A convolution or linear layer is called by the module path of its weight (``network.stem.0``), any
    other operation by the path of the module that ran it and what it does (``network.blocks.9:add``).
    """
    taken: dict[str, int] = {}
    for node in module.graph.nodes:
        if node.op != "call_function":
            continue
        name = _given_name(node)
        taken[name] = taken.get(name, 0) + 1
        node.meta[LAYER_KEY] = name if taken[name] == 1 else f"{name}#{taken[name]}"
        node.meta[VALUE_KEY] = node.meta[LAYER_KEY]


def _given_name(node: torch.fx.Node) -> str:
    if node.target in weighted_operators():
        weight: Any = node.args[1]
        if weight.op == "get_attr":
            return str(weight.target).removesuffix(".weight")
    operation = str(getattr(node.target, "__name__", node.target)).split(".")[0]
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path = stack[-1][0] if stack else ""
    return f"{path}:{operation}" if path else node.name


def layer_name(node: torch.fx.Node) -> str:
    """Return the name that :func:`name_layers` gave, or the node's own."""
    return str(node.meta.get(LAYER_KEY, node.name))


def value_name(node: torch.fx.Node) -> str | None:
    """Return which value of the network a node gives, or None for a node that a rewrite brought in."""
    name = node.meta.get(VALUE_KEY)
    return None if name is None else str(name)


def take_over(node: torch.fx.Node, replaced: torch.fx.Node) -> None:
    """Say that ``node`` now gives the value that ``replaced`` gave."""
    if VALUE_KEY in replaced.meta:
        node.meta[VALUE_KEY] = replaced.meta[VALUE_KEY]


def weighted_layers(module: torch.fx.GraphModule) -> list[torch.fx.Node]:
    """Return the convolutions and linear layers in graph order; their order survives prepare and convert."""
    operators = weighted_operators()
    return [node for node in module.graph.nodes if node.target in operators]


def attribute(module: torch.nn.Module, target: str) -> torch.Tensor:
    """Return the parameter or buffer at a dotted path."""
    value: Any = module
    for part in target.split("."):
        value = getattr(value, part)
    assert hasattr(value, "shape")
    return value  # type: ignore[no-any-return]


#: What may stand between a layer and the value that goes on, by the beginning of its name.
_DEQUANTIZE = "quantized_decomposed.dequantize_per_tensor"


@dataclass(frozen=True)
class LayerOutput:
    """One layer's output on some images, behind its BatchNorm, clamp and quantization.

    ``values`` is float32 (N, ...), in real units: a quantized activation is dequantized. ``operator`` is conv,
    depthwise, grouped or linear where the source tells, else empty.
    """

    name: str
    values: NDArray[np.float32]
    operator: str = ""


def torch_layers(module: torch.nn.Module, pixels: NDArray[np.uint8]) -> list[LayerOutput]:
    """Return the output of every weighted layer of a float module or a converted graph, in order.

    Args:
        module: from float32 pixels to logits.
        pixels: uint8 (N, C, H, W); N is the module's fixed batch where it has one.
    """
    import torch

    batch = torch.from_numpy(pixels.astype(np.float32))
    graph = module
    if not isinstance(graph, torch.fx.GraphModule):
        graph = torch.export.export(module, (batch,)).module()
        name_layers(graph)
    ends = {
        _torch_end(node): (layer_name(node), _operator(graph, node))
        for node in graph.graph.nodes
        if _weighted(node)
    }
    found: dict[str, LayerOutput] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            value = super().run_node(n)
            if n in ends:
                name, operator = ends[n]
                found[name] = LayerOutput(name, value.detach().numpy().astype(np.float32), operator)
            return value

    with torch.no_grad():
        Recorder(graph).run(batch)
    return [found[name] for name, _ in ends.values()]


def _weighted(node: torch.fx.Node) -> bool:
    return node.target in weighted_operators()


def _operator(graph: torch.fx.GraphModule, node: torch.fx.Node) -> str:
    """Return what kind of layer a weighted node is; empty where its weight is not a plain attribute."""
    weight: Any = node.args[1]
    if "linear" in str(node.target):
        return "linear"
    if weight.op != "get_attr":
        return ""
    shape = attribute(graph, str(weight.target)).shape
    groups: Any = node.args[6] if len(node.args) > 6 else 1
    if groups == 1:
        return "conv"
    return "depthwise" if shape[1] == 1 else "grouped"


def _torch_end(node: torch.fx.Node) -> torch.fx.Node:
    """Return the node that gives a layer's final value: the last of BatchNorm, clamp, quantize, dequantize."""
    import torch

    tail = {str(operator) for operator in (*clamp_operators(), torch.ops.aten.batch_norm.default)}
    # By name: the quantized_decomposed operators exist only once torchao has been imported.
    tail.add("quantized_decomposed.quantize_per_tensor.default")
    while True:
        users = list(node.users)
        if len(users) == 1 and str(users[0].target) in tail:
            node = users[0]
        elif users and all(str(user.target).startswith(_DEQUANTIZE) for user in users):
            return users[0]
        else:
            return node
