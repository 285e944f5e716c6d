"""Biases: corrected for the mean error of quantization, then put on the grid that integer engines use.

Integer kernels hold a bias as int32 in steps of (input scale x weight scale); float QDQ graphs do not.
Rounding in the shared graph makes torch, ONNX, Core ML and XNNPACK add the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.layers import attribute, weighted_layers

if TYPE_CHECKING:
    import torch


def channel_means(module: torch.fx.GraphModule, pixels: torch.Tensor) -> list[torch.Tensor]:
    """Return the mean output of each channel of each weighted layer of a float graph, in graph order.

    Args:
        module: graph from pixels to logits.
        pixels: float32 (N, C, H, W).
    """
    import torch

    names = {node.name for node in weighted_layers(module)}
    means: list[torch.Tensor] = []

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            value = super().run_node(n)
            if n.name in names:
                means.append(_channel_mean(value, n))
            return value

    with torch.no_grad():
        Recorder(module).run(pixels)
    return means


def correct_biases(module: torch.fx.GraphModule, means: list[torch.Tensor], pixels: torch.Tensor) -> int:
    """Shift biases of a converted graph so that each channel's mean is the float graph's, in place.

    Nagel et al., ICCV 2019, section 4.2, with means taken on ``pixels``. Layer by layer in one pass: a
    layer is corrected before its output goes on, so that later layers see corrected inputs.

    Args:
        module: converted graph, its layers in the order of ``means``.
        means: :func:`channel_means` of the float graph on the same pixels.
        pixels: float32 (N, C, H, W).

    Returns:
        How many layers were corrected; a layer without a bias of its own is left alone.
    """
    import torch

    nodes = {node.name: index for index, node in enumerate(weighted_layers(module))}
    corrected = 0

    class Corrector(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            nonlocal corrected
            value = super().run_node(n)
            bias: Any = n.args[2] if n.name in nodes and len(n.args) > 2 else None
            if isinstance(bias, torch.fx.Node) and bias.op == "get_attr":
                shift = means[nodes[n.name]] - _channel_mean(value, n)
                attribute(module, str(bias.target)).add_(shift)
                behind = value.ndim - 1 - _channel_axis(value, n)
                value = value + shift.view(-1, *[1] * behind)
                corrected += 1
            return value

    with torch.no_grad():
        Corrector(module).run(pixels)
    return corrected


def _channel_axis(value: torch.Tensor, node: torch.fx.Node) -> int:
    """Return the axis that a layer's bias lies along: the last of a linear layer, whose input may have any rank."""
    import torch

    return value.ndim - 1 if node.target == torch.ops.aten.linear.default else 1


def _channel_mean(value: torch.Tensor, node: torch.fx.Node) -> torch.Tensor:
    channels = _channel_axis(value, node)
    return value.mean(dim=[axis for axis in range(value.ndim) if axis != channels])


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
        bias = attribute(module, str(bias_node.target))
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
    step: torch.Tensor = float(source.args[1]) * attribute(module, str(scales.target)).float()  # type: ignore[arg-type]
    return step
