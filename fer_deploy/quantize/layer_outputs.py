"""What each layer of a network or a graph gives in torch, to be set beside what its artifacts' layers give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.quantize.layers import attribute, clamp_operators, layer_name, name_layers, weighted_operators

if TYPE_CHECKING:
    import torch

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
