"""The shared quantized graph in the form that ExecuTorch's Arm backend takes: the same numbers, written otherwise.

What that backend (executorch 1.5.1) asks of a graph its own quantizer would leave behind; three things differ:

* It takes only nodes that its quantizer marked (``operator_support/tosa_supported_operators.py``, CheckArmQuantized).
* A bias has to be int32 behind a dequantization (``quantizer/quantization_config.py``, get_bias_qspec). The shared
  graph's biases are floats that lie on that very grid (:mod:`fer_deploy.quantize.bias`): they are written as integers.
* A mean becomes a sum and a multiplication by a quantized 1/N before observers see it
  (``_passes/decompose_meandim_pass.py``), which would be a quantization of its own. Here a global pooling becomes the
  depthwise convolution that it is: all weights the integer 1 at scale 1/N, rounded once, onto the shared grid.

Symmetric weights by channel, the affine int8 activations and the fused ReLU6 are taken as they are.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.layers import attribute, weighted_layers

if TYPE_CHECKING:
    import torch

_INT32 = 2**31 - 1


def for_arm(graph: Graph) -> torch.export.ExportedProgram:
    """Return a quantized graph, exported at batch 1, as the Arm backend takes it."""
    # Without guards: the backend's passes refuse the node that checks them.
    module = graph.export().module(check_guards=False)
    _write_biases_as_integers(module)
    _write_poolings_as_convolutions(module)
    _mark(module)
    module.graph.eliminate_dead_code()
    module.recompile()
    return dataclasses.replace(graph, module=module).export()


def _dequantizers() -> tuple[Any, Any]:
    import torch

    decomposed = torch.ops.quantized_decomposed
    return (
        decomposed.dequantize_per_tensor.default,
        decomposed.dequantize_per_channel.default,
    )


def _constant(
    module: Any,
    name: str,
    integers: torch.Tensor,
    scales: torch.Tensor,
    limit: int,
    before: torch.fx.Node,
) -> torch.fx.Node:
    """Insert integers, dequantized by channel, before a node."""
    import torch

    stored = {
        f"_arm_{name}": integers,
        f"_arm_{name}_scale": scales.float(),
        f"_arm_{name}_zero_point": torch.zeros(len(scales), dtype=torch.int64),
    }
    for key, value in stored.items():
        module.register_buffer(key, value)
    with module.graph.inserting_before(before):
        nodes = [module.graph.get_attr(key) for key in stored]
        node: torch.fx.Node = module.graph.call_function(
            _dequantizers()[1], (*nodes, 0, -limit, limit, integers.dtype)
        )
    return node


def _write_biases_as_integers(module: Any) -> None:
    import torch

    per_tensor, per_channel = _dequantizers()
    for node in weighted_layers(module):
        source, weight = node.args[:2]
        bias = node.args[2] if len(node.args) > 2 else None
        if getattr(source, "target", None) != per_tensor or getattr(weight, "target", None) != per_channel:
            continue  # left in float
        if not isinstance(bias, torch.fx.Node) or bias.op != "get_attr":
            continue
        inputs: Any = source
        weights: Any = weight
        scales = attribute(module, str(weights.args[1].target)).detach().double() * float(inputs.args[1])
        integers = torch.round(attribute(module, str(bias.target)).detach().double() / scales)
        stored = integers.clamp(-_INT32, _INT32).to(torch.int32)
        node.update_arg(2, _constant(module, f"{node.name}_bias", stored, scales, _INT32, node))


def _write_poolings_as_convolutions(module: Any) -> None:
    import torch

    for node in list(module.graph.nodes):
        if node.target != torch.ops.aten.adaptive_avg_pool2d.default:
            continue
        source, size = node.args
        shape = tuple(source.meta["val"].shape)
        if source.target != _dequantizers()[0] or list(size) != [1, 1] or len(shape) != 4:
            continue
        channels, height, width = shape[1:]
        ones = torch.ones((channels, 1, height, width), dtype=torch.int8)
        scales = torch.full((channels,), 1.0 / math.prod(shape[2:]))
        weight = _constant(module, f"{node.name}_weight", ones, scales, 127, node)
        with module.graph.inserting_before(node):
            mean = module.graph.call_function(
                torch.ops.aten.conv2d.default,
                (source, weight, None, [1, 1], [0, 0], [1, 1], channels),
            )
        mean.meta.update(node.meta)
        node.replace_all_uses_with(mean)
        module.graph.erase_node(node)


def _mark(module: Any) -> None:
    """Say of every operator whose inputs are dequantized that it is quantized, as Arm's quantizer says it."""
    import torch
    from executorch.backends.arm.common.annotation_meta import ArmAnnotationInfo

    grids = {
        *_dequantizers(),
        torch.ops.quantized_decomposed.quantize_per_tensor.default,
    }
    marked: set[torch.fx.Node] = set()
    for node in module.graph.nodes:
        if node.op != "call_function" or node.target in grids:
            continue
        if all(source.target in grids or source in marked for source in node.all_input_nodes):
            marked.add(node)
            custom = dict(node.meta.get("custom") or {})
            custom[ArmAnnotationInfo.CUSTOM_META_KEY] = ArmAnnotationInfo(quantized=True)
            node.meta["custom"] = custom
