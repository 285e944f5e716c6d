"""Bias rounding: put biases on the grid that integer engines use, before anything is lowered.

Integer kernels hold a bias as int32 in steps of (input scale x weight scale); float QDQ graphs do not.
Rounding in the shared graph makes torch, ONNX, Core ML and XNNPACK add the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def snap_biases(module: torch.fx.GraphModule) -> int:
    """Round the bias of every quantized convolution and linear layer to its int32 grid, in place.

    Returns the number of layers whose bias was rounded. A layer whose input or weight is not
    dequantized right before it keeps its bias.
    """
    import torch

    ops = {torch.ops.aten.conv2d.default, torch.ops.aten.linear.default}
    snapped = 0
    for node in module.graph.nodes:
        if node.target not in ops or len(node.args) < 3 or not isinstance(node.args[2], torch.fx.Node):
            continue
        step = _step(module, node)
        bias_node = node.args[2]
        if step is None or bias_node.op != "get_attr":
            continue
        bias = _attribute(module, str(bias_node.target))
        with torch.no_grad():
            bias.copy_(torch.round(bias / step) * step)
        snapped += 1
    return snapped


def _step(module: torch.fx.GraphModule, node: torch.fx.Node) -> torch.Tensor | None:
    """Return the bias step of a layer, float32 (outputs,), or None when it is not quantized."""
    import torch

    decomposed = torch.ops.quantized_decomposed
    source, weight = node.args[0], node.args[1]
    if not isinstance(source, torch.fx.Node) or not isinstance(weight, torch.fx.Node):
        return None
    if (
        source.target != decomposed.dequantize_per_tensor.default
        or weight.target != decomposed.dequantize_per_channel.default
    ):
        return None
    scales = weight.args[1]
    assert isinstance(scales, torch.fx.Node)
    step: torch.Tensor = float(source.args[1]) * _attribute(module, str(scales.target)).float()  # type: ignore[arg-type]
    return step


def _attribute(module: torch.fx.GraphModule, target: str) -> torch.Tensor:
    value: Any = module
    for part in target.split("."):
        value = getattr(value, part)
    assert hasattr(value, "shape")
    return value  # type: ignore[no-any-return]
