"""BatchNorm: folded into the layer before where that layer is its alone, else a layer of its own.

No target sees a BatchNorm after this, so that no target folds one: torchao's and ExecuTorch's own folding checks
neither whether the convolution has further users nor whether its weight is shared (torchao 0.18, executorch 1.5.1).
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.layers import LAYER_KEY, attribute, take_over
from fer_deploy.quantize.rewrite.constants import foldable_operators
from fer_deploy.quantize.rewrite.editing import call, clean, constant, module_path, shape_of

if TYPE_CHECKING:
    import torch

_TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


def fold_batch_norm(module: torch.fx.GraphModule) -> int:
    """Fold every BatchNorm in evaluation mode, or write it as an affine layer; return how many there were.

    It is folded into a convolution or linear layer that nothing else reads; :func:`unshare_weights` comes first. Any
    other becomes a depthwise 1 x 1 convolution, which every target quantizes per channel and fuses with the clamp
    behind it; beside a map of another rank, a product and a sum.
    """
    found = 0
    for node in list(module.graph.nodes):
        affine = _affine(module, node)
        if affine is None:
            continue
        norm, scale, shift = affine
        layer: Any = norm.args[0]
        if _owned(layer):
            _fold(module, layer, scale, shift)
            take_over(layer, norm)
            result = layer
        else:
            result = _standalone(module, norm, scale, shift)
            take_over(result, norm)
        for end in _results(norm):
            end.replace_all_uses_with(result)
            if end is not norm:
                module.graph.erase_node(end)
        module.graph.erase_node(norm)
        found += 1
    clean(module)
    return found


def _affine(
    module: torch.fx.GraphModule, node: torch.fx.Node
) -> tuple[torch.fx.Node, torch.Tensor, torch.Tensor] | None:
    """Return the node with its scale and shift (C,) in float32, or None when it is no BatchNorm of constants."""
    import torch

    aten = torch.ops.aten
    if node.target == aten.batch_norm.default and node.args[5] is False:
        eps: Any = node.args[7]
    elif node.target == aten._native_batch_norm_legit_no_training.default:
        eps = node.args[6]
    else:
        return None
    stored: list[torch.Tensor | None] = []
    for item in node.args[1:5]:
        if item is None:
            stored.append(None)
        elif isinstance(item, torch.fx.Node) and item.op == "get_attr":
            stored.append(attribute(module, str(item.target)).detach().double())
        else:
            return None
    weight, bias, mean, variance = stored
    if mean is None or variance is None:
        return None
    scale = torch.rsqrt(variance + float(eps)) * (1.0 if weight is None else weight)
    shift = (0.0 if bias is None else bias) - mean * scale
    return node, scale, shift


def _results(norm: torch.fx.Node) -> list[torch.fx.Node]:
    """Return the nodes that stand for the normalised value: itself, or what unpacks it from a tuple."""
    users = list(norm.users)
    unpacks = [user for user in users if user.target is operator.getitem and user.args[1] == 0]
    return unpacks or [norm]


def _owned(layer: Any) -> bool:
    """True when only its BatchNorm reads a layer, and its weight is a stored one over the same channels."""
    if getattr(layer, "target", None) not in foldable_operators() or len(layer.users) != 1:
        return False
    weight: Any = layer.args[1]
    shape = shape_of(layer)
    if weight.op != "get_attr" or len(weight.users) != 1 or shape is None:
        return False
    if "linear" in str(layer.target) and len(shape) != 2:
        return False  # BatchNorm's channels are the second axis, a linear layer's the last
    bias: Any = layer.args[2] if len(layer.args) > 2 else None
    return bias is None or (bias.op == "get_attr" and len(bias.users) == 1)


def _fold(
    module: torch.fx.GraphModule, layer: torch.fx.Node, scale: torch.Tensor, shift: torch.Tensor
) -> None:
    import torch

    source: Any = layer.args[1]
    weight = attribute(module, str(source.target))
    with torch.no_grad():
        weight.copy_(weight.double() * _along_outputs(layer, weight, scale))
    held: Any = layer.args[2] if len(layer.args) > 2 else None
    if held is not None:
        bias = attribute(module, str(held.target))
        with torch.no_grad():
            bias.copy_(bias.double() * scale + shift)
        return
    path = str(source.target).removesuffix(".weight") + ".bias"
    own = constant(module, layer, path, shift.to(weight.dtype))
    layer.args = (*layer.args[:2], own, *layer.args[3:])


def _along_outputs(layer: torch.fx.Node, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return ``scale`` shaped to multiply the weight of a layer, output channel by output channel."""
    ones = [1] * (weight.ndim - 2)
    if not any(name in str(layer.target) for name in _TRANSPOSED):
        return scale.view(-1, 1, *ones)
    # A transposed convolution's weight is (inputs, outputs / groups, ...): each group's rows have its own outputs.
    groups: Any = layer.args[6] if len(layer.args) > 6 else 1
    by_group = scale.view(groups, 1, -1).expand(groups, weight.shape[0] // groups, -1)
    return by_group.reshape(weight.shape[0], weight.shape[1], *ones)


def _standalone(
    module: torch.fx.GraphModule, norm: torch.fx.Node, scale: torch.Tensor, shift: torch.Tensor
) -> torch.fx.Node:
    import torch

    aten = torch.ops.aten
    source: Any = norm.args[0]
    rank = len(shape_of(source) or ())
    dtype = source.meta["val"].dtype
    path, channels = module_path(norm), len(scale)
    if rank == 4:
        weight = constant(module, norm, f"{path}_affine.weight", scale.view(-1, 1, 1, 1).to(dtype))
        bias = constant(module, norm, f"{path}_affine.bias", shift.to(dtype))
        arguments = (source, weight, bias, [1, 1], [0, 0], [1, 1], channels)
        result = call(module, norm, aten.conv2d.default, arguments)
        result.meta[LAYER_KEY] = path
        return result
    ones = [1] * max(0, rank - 2)
    factor = constant(module, norm, f"{path}_affine.weight", scale.view(1, -1, *ones).to(dtype))
    offset = constant(module, norm, f"{path}_affine.bias", shift.view(1, -1, *ones).to(dtype))
    product = call(module, norm, aten.mul.Tensor, (source, factor))
    return call(module, norm, aten.add.Tensor, (product, offset))
