"""Limits of integer engines on scales, held in the shared graph: every target computes with the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.layers import attribute, clamp_operators, weighted_operators
from fer_deploy.quantize.recipe import WEIGHT_MAX

if TYPE_CHECKING:
    import torch


#: A bias is an int32 that products are added to; half of the range stays for these.
_MOST_BIAS_STEPS = 2.0**30
#: XNNPACK multiplies a sum of products by (input scale x weight scale / output scale), which it wants above 2**-32
#: (src/operators/convolution-nhwc.c); a channel at that end adds nothing to its output either way.
_LEAST_REQUANTIZATION = 2.0**-31
#: XNNPACK adds two int8 tensors if each one's scale over the output's is in 2**-10..2**8, multiplies if the product's
#: is in 2**-16..2**8 (src/operators/binary-elementwise-nd.c). An operand below the lower end adds less than one step.
_ADDEND, _PRODUCT, _MOST = 2.0**-10, 2.0**-16, 2.0**7


def widen_weight_scales(observed: torch.fx.GraphModule) -> int:
    """Raise the weight scale of channels whose bias would leave int32, in a graph with observers; return how many.

    A pruned channel has no weight and keeps its bias: at the scale of a zero weight the bias is beyond any integer.
    """
    import torch

    widened = 0
    for node in observed.graph.nodes:
        if node.target not in weighted_operators() or len(node.args) < 2:
            continue
        source, weight = _observer(observed, node.args[0]), _observer(observed, node.args[1])
        if source is None or weight is None or not hasattr(weight, "ch_axis"):
            continue
        input_scale = float(source.calculate_qparams()[0].max())
        scales = weight.calculate_qparams()[0].double()
        least = torch.zeros_like(scales)
        bias = _bias(observed, node)
        if bias is not None and bias.numel() == least.numel():
            least = bias.detach().double().abs() / (input_scale * _MOST_BIAS_STEPS)
        output = _observer(observed, _observed_end(node))
        if output is not None and hasattr(output, "calculate_qparams"):
            output_scale = float(output.calculate_qparams()[0].max())
            least = least.clamp(min=output_scale / input_scale * _LEAST_REQUANTIZATION)
        low = scales < least
        if bool(low.any()):
            needed = (least * WEIGHT_MAX * (1 + 2.0**-20)).to(weight.max_val.dtype)
            weight.max_val = torch.where(low, needed, weight.max_val)
            widened += int(low.sum())
    return widened


def _observer(graph: torch.fx.GraphModule, node: Any) -> Any:
    """Return the observer module that a node calls, or None."""
    if node is None or node.op != "call_module":
        return None
    module = graph.get_submodule(str(node.target))
    return module if hasattr(module, "calculate_qparams") else None


def _observed_end(node: torch.fx.Node) -> torch.fx.Node | None:
    """Return the node that observes a layer's output, behind its clamp where it has one."""
    while len(node.users) == 1:
        node = next(iter(node.users))
        if node.op == "call_module":
            return node
        if node.target not in clamp_operators():
            return None
    return None


def _bias(graph: torch.fx.GraphModule, node: torch.fx.Node) -> torch.Tensor | None:
    bias: Any = node.args[2] if len(node.args) > 2 else None
    return attribute(graph, str(bias.target)) if bias is not None and bias.op == "get_attr" else None


def widen_activation_scales(converted: torch.fx.GraphModule) -> int:
    """Raise scales around sums and products that XNNPACK would not load, in a converted graph; return how many."""
    import torch

    aten, decomposed = torch.ops.aten, torch.ops.quantized_decomposed
    least_of = {aten.add.Tensor: _ADDEND, aten.mul.Tensor: _PRODUCT}
    widened = 0
    for node in converted.graph.nodes:
        if node.target not in least_of:
            continue
        inputs = [_quantize(item) for item in node.args[:2]]
        output = next(
            (
                user
                for user in _after_clamp(node).users
                if user.target == decomposed.quantize_per_tensor.default
            ),
            None,
        )
        if output is None or any(item is None for item in inputs):
            continue
        scales = [_scale(item) for item in inputs if item is not None]
        product = node.target == aten.mul.Tensor
        most = scales[0] * scales[1] if product else max(scales)
        if most > _scale(output) * _MOST:
            _rescale(output, most / _MOST)
            widened += 1
        least = _scale(output) * least_of[node.target] * (1 + 2.0**-20)
        for item, other in zip(inputs, scales[::-1], strict=True):
            assert item is not None
            needed = least / other if product else least
            if _scale(item) < needed:
                _rescale(item, needed)
                widened += 1
                if product:
                    break  # the product is large enough now
    if widened:
        converted.recompile()
    return widened


def _after_clamp(node: torch.fx.Node) -> torch.fx.Node:
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].target in clamp_operators() else node


def _quantize(node: Any) -> torch.fx.Node | None:
    """Return the operation that quantizes what ``node`` dequantizes, or None."""
    import torch

    decomposed = torch.ops.quantized_decomposed
    if getattr(node, "target", None) != decomposed.dequantize_per_tensor.default:
        return None
    source: Any = node.args[0]
    return source if source.target == decomposed.quantize_per_tensor.default else None


def _scale(quantize: torch.fx.Node) -> float:
    scale: Any = quantize.args[1]
    return float(scale)


def _rescale(quantize: torch.fx.Node, scale: float) -> None:
    """Give a quantize operation, and what dequantizes it, a larger scale over the same lower end."""
    arguments: tuple[Any, ...] = quantize.args
    old, zero_point, qmin, qmax = arguments[1:5]
    low = (qmin - zero_point) * old
    shifted = max(qmin, min(qmax, round(qmin - low / scale)))
    for node in (quantize, *quantize.users):
        node.update_arg(1, scale)
        node.update_arg(2, shifted)
