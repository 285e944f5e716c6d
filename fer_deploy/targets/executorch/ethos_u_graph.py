"""The shared quantized graph in the form that ExecuTorch's Arm backend takes: the same numbers, written otherwise.

What that backend (executorch 1.5.1) asks of a graph its own quantizer would leave behind; five things differ:

* It takes only nodes that its quantizer marked (``operator_support/tosa_supported_operators.py``, CheckArmQuantized).
* A bias has to be int32 behind a dequantization (``quantizer/quantization_config.py``, get_bias_qspec). The shared
  graph's biases are floats that lie on that very grid (:mod:`fer_deploy.quantize.bias`): they are written as integers.
* A mean becomes a sum and a multiplication by a quantized 1/N before observers see it
  (``_passes/decompose_meandim_pass.py``), which would be a quantization of its own. Here a global pooling becomes the
  depthwise convolution that it is: all weights the integer 1 at scale 1/N, rounded once, onto the shared grid. So does
  an average pooling.
* An operator that moves or selects values (pad, slice, concatenation, maximum, clamp, ...) has one grid for what goes
  in and comes out (``quantizer/quantization_annotator.py``, _one_to_one_shared_input_qspec); with two, the integers are
  passed on as they are and mean something else behind it, without a word. Here the values are brought onto the outgoing
  grid first and moved then, which gives the same integers. Means of other windows stay on the Cortex-M.
* A ReLU is left out behind a convolution, as the grid ends at zero (``_passes/fuse_quantized_activation_pass.py``).
  Where the grid goes below, because a sum or a concatenation shares it, nothing clamps any more, without a word. Here
  the convolution is rounded onto that grid first and its integers clamped, which gives the same.

Symmetric weights by channel, the affine int8 activations and the fused ReLU6 are taken as they are.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.layers import attribute, weighted_layers

if TYPE_CHECKING:
    import torch

_INT32 = 2**31 - 1
#: Defaults of avg_pool2d: padding, sizes rounded up, padding counted, divisor.
_POOLING: tuple[Any, ...] = ([0, 0], False, True, None)


def for_arm(graph: Graph) -> torch.export.ExportedProgram:
    """Return a quantized graph, exported at batch 1, as the Arm backend takes it."""
    # Without guards: the backend's passes refuse the node that checks them.
    module = graph.export().module(check_guards=False)
    _write_biases_as_integers(module)
    _write_poolings_as_convolutions(module)
    _clamp_integers(module)
    _move_on_one_grid(module)
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
        found = _window(node)
        if found is None:
            continue
        source: Any = node.args[0]
        if source.target != _dequantizers()[0]:
            continue
        (height, width), stride, padding = found
        channels = source.meta["val"].shape[1]
        ones = torch.ones((channels, 1, height, width), dtype=torch.int8)
        scales = torch.full((channels,), _one_of(height * width))
        weight = _constant(module, f"{node.name}_weight", ones, scales, 127, node)
        with module.graph.inserting_before(node):
            mean = module.graph.call_function(
                torch.ops.aten.conv2d.default,
                (source, weight, None, stride, padding, [1, 1], channels),
            )
        mean.meta.update(node.meta)
        node.replace_all_uses_with(mean)
        module.graph.erase_node(node)


def _one_of(count: int) -> float:
    """Return the least float32 that is not below 1 / count, so that half-way cases are rounded upwards by it too."""
    nearest = np.float32(1) / np.float32(count)
    return float(nearest if float(nearest) * count >= 1 else np.nextafter(nearest, np.float32(1)))


def _window(node: torch.fx.Node) -> tuple[tuple[int, int], list[int], list[int]] | None:
    """Return window, stride and padding of a pooling that is a mean over windows of one size; None of anything else."""
    import torch

    aten = torch.ops.aten
    value: Any = getattr(node.args[0], "meta", {}).get("val") if node.args else None
    if getattr(value, "ndim", 0) != 4:
        return None
    given: Any = node.args
    if node.target == aten.adaptive_avg_pool2d.default:
        return ((value.shape[2], value.shape[3]), [1, 1], [0, 0]) if list(given[1]) == [1, 1] else None
    if node.target != aten.avg_pool2d.default:
        return None
    window = list(given[1])
    stride = list(given[2]) if len(given) > 2 and given[2] else window
    rest: tuple[Any, ...] = tuple(given[3:])
    padding, rounded_up, counts_padding, divisor = (*rest, *_POOLING[len(rest) :])
    if rounded_up or divisor is not None or (any(padding) and not counts_padding):
        return None
    if len(window) != 2 or len(stride) != 2 or len(padding) != 2:
        return None
    return (window[0], window[1]), stride, list(padding)


def _moving() -> set[Any]:
    """Return the operators that move or select values: on another grid they give what they gave on the first."""
    import torch

    aten = torch.ops.aten
    return {
        aten.alias.default, aten.amax.default, aten.amin.default, aten.cat.default, aten.chunk.default,
        aten.clamp.default, aten.clone.default, aten.contiguous.default, aten.dropout.default, aten.expand.default,
        aten.flatten.using_ints, aten.flip.default, aten.hardtanh.default, aten.hardtanh_.default,
        aten.index_select.default, aten.max_pool2d.default, aten.pad.default, aten.permute.default,
        aten.pixel_shuffle.default, aten.pixel_unshuffle.default, aten.relu.default, aten.relu_.default,
        aten.repeat.default, aten.reshape.default, aten.select.int, aten.slice.Tensor, aten.squeeze.dim,
        aten.squeeze.dims, aten.transpose.int, aten.unflatten.int, aten.unsqueeze.default,
        aten.upsample_nearest2d.vec, aten.view.default,
    }  # fmt: skip


def _clamp_integers(module: Any) -> None:
    import torch

    aten = torch.ops.aten
    rectifiers = {aten.relu.default, aten.relu_.default}
    quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
    for node in list(module.graph.nodes):
        if node.target not in {*rectifiers, aten.hardtanh.default, aten.hardtanh_.default}:
            continue
        users, source = list(node.users), node.args[0]
        if len(users) != 1 or users[0].target != quantize or source.target == _dequantizers()[0]:
            continue
        grid = users[0].args[1:]
        scale, zero_point, low, high = grid[:4]
        least, most = (0.0, math.inf) if node.target in rectifiers else (*node.args[1:3], -1.0, 1.0)[:2]
        ends_at_zero = least == 0 and zero_point == low
        if ends_at_zero and most >= scale * (high - zero_point - 0.5):
            continue
        with module.graph.inserting_before(node):
            integers = module.graph.call_function(quantize, (source, *grid))
            rounded = module.graph.call_function(_dequantizers()[0], (integers, *grid))
        integers.meta["val"] = users[0].meta["val"]
        rounded.meta.update(source.meta)
        node.replace_input_with(source, rounded)


def _move_on_one_grid(module: Any) -> None:
    import torch

    quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
    dequantize, moving = _dequantizers()[0], _moving()
    for node in list(module.graph.nodes):
        users = list(node.users)
        if node.target not in moving or not users or any(user.target != quantize for user in users):
            continue
        grid = users[0].args[1:]
        for source in node.all_input_nodes:
            if source.target != dequantize or source.args[1:] == grid:
                continue
            with module.graph.inserting_before(node):
                integers = module.graph.call_function(quantize, (source, *grid))
                brought = module.graph.call_function(dequantize, (integers, *grid))
            integers.meta["val"] = users[0].meta["val"].new_empty(source.meta["val"].shape)
            brought.meta.update(source.meta)
            node.replace_input_with(source, brought)


def _averages_wrongly(node: torch.fx.Node) -> bool:
    """Return whether the backend would compute a mean on the incoming grid and read it on another, or count padding.

    Such an operator stays on the Cortex-M, in float: a mean that is brought onto another grid first is rounded twice.
    """
    import torch

    aten = torch.ops.aten
    means = {
        aten.adaptive_avg_pool2d.default, aten.avg_pool2d.default, aten.mean.dim, aten.neg.default,
        aten.upsample_bilinear2d.vec,
    }  # fmt: skip
    if node.target not in means:
        return False
    given: Any = node.args
    if node.target == aten.avg_pool2d.default and len(given) > 3 and any(given[3]):
        return True
    if node.target == aten.adaptive_avg_pool2d.default:
        sizes = zip(given[0].meta["val"].shape[2:], given[1], strict=False)
        if any(size % parts for size, parts in sizes):
            return True  # windows of several sizes: the backend rounds each of many steps
    quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
    incoming = given[0].args[1:] if given[0].target == _dequantizers()[0] else None
    return any(user.target == quantize and user.args[1:] != incoming for user in node.users)


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
        if node.op != "call_function" or node.target in grids or _averages_wrongly(node):
            continue
        if all(source.target in grids or source in marked for source in node.all_input_nodes):
            marked.add(node)
            custom = dict(node.meta.get("custom") or {})
            custom[ArmAnnotationInfo.CUSTOM_META_KEY] = ArmAnnotationInfo(quantized=True)
            node.meta["custom"] = custom
