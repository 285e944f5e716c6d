"""Cross-layer equalisation: the same function with weight ranges that per-tensor activations suit better.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019: a
channel divided by s in one layer and multiplied by s in the next changes nothing, as long as what lies
between is scale-equivariant. ReLU6 is not; the paper drops its bound. Here the bound stays, because all
engines fuse it, and a channel is scaled only where calibration shows that the bound is never reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.layers import attribute, clamp_operators, weighted_layers

if TYPE_CHECKING:
    import torch

#: A clamp's bound counts as reachable when calibration came this close: test images go a little further.
_HEADROOM = 1.1
_MAX_ROUNDS = 20
_CONVERGED = 1e-3
#: A scale beyond this says that a channel is dead, not that it is small.
_MAX_SCALE = 64.0


@dataclass
class _Pair:
    first: torch.fx.Node
    second: torch.fx.Node
    bound: float
    """Upper bound of the clamp between them; infinity where there is none or a plain ReLU."""
    peak: torch.Tensor
    """Largest activation of each channel between them on the calibration images, before the clamp."""


def equalize(module: torch.fx.GraphModule, pixels: torch.Tensor) -> int:
    """Equalise consecutive layers of a float graph with folded BatchNorm, in place.

    Args:
        module: exported graph from pixels to logits.
        pixels: float32 (N, C, H, W), calibration images.

    Returns:
        How many channels were scaled.
    """
    import torch

    pairs = _pairs(module, pixels)
    total = [torch.ones_like(pair.peak) for pair in pairs]
    with torch.no_grad():
        for _ in range(_MAX_ROUNDS):
            largest = 0.0
            for pair, product in zip(pairs, total, strict=True):
                scale = _scale(module, pair)
                _apply(module, pair, scale)
                product *= scale
                largest = max(largest, float((scale.log().abs()).max()))
            if largest < _CONVERGED:
                break
    return sum(int((product.log().abs() > _CONVERGED).sum()) for product in total)


def _pairs(module: torch.fx.GraphModule, pixels: torch.Tensor) -> list[_Pair]:
    import torch

    found: list[tuple[torch.fx.Node, torch.fx.Node, float]] = []
    for node in weighted_layers(module):
        source: Any = node.args[0]
        if source.op == "placeholder" or _out_channels(module, node) is None:
            continue  # the normalisation's output range is fixed by the contract
        second, bound = _consumer(node)
        if second is not None and _inputs(module, second, _out_channels(module, node)) is not None:
            found.append((node, second, bound))
    wanted = {first.name: index for index, (first, _, _) in enumerate(found)}
    peaks: dict[int, torch.Tensor] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            value = super().run_node(n)
            if n.name in wanted:
                peaks[wanted[n.name]] = value.amax(dim=[i for i in range(value.ndim) if i != 1])
            return value

    with torch.no_grad():
        Recorder(module).run(pixels)
    return [_Pair(first, second, bound, peaks[i]) for i, (first, second, bound) in enumerate(found)]


def _consumer(node: torch.fx.Node) -> tuple[torch.fx.Node | None, float]:
    """Return the layer that alone takes a layer's output, through nothing but scale-equivariant operations."""
    import torch

    aten = torch.ops.aten
    passes = {
        aten.adaptive_avg_pool2d.default,
        aten.avg_pool2d.default,
        aten.max_pool2d.default,
        aten.flatten.using_ints,
        aten.dropout.default,
    }
    bound = float("inf")
    clamps = clamp_operators()
    weighted = {aten.conv2d.default, aten.linear.default}
    while len(node.users) == 1:
        node = next(iter(node.users))
        if node.target in weighted:
            return node, bound
        if node.target in clamps:
            limits = [item for item in node.args[1:] if isinstance(item, (int, float))]
            if "relu6" in str(node.target):
                limits = [0.0, 6.0]
            if limits and limits[0] != 0:
                break
            if len(limits) > 1:
                bound = min(bound, float(limits[1]))
        elif node.target not in passes:
            break
    return None, bound


def _out_channels(module: torch.fx.GraphModule, node: torch.fx.Node) -> int | None:
    """Return the outputs of a convolution or linear layer with its weight stored in the graph, else None."""
    import torch

    weight: Any = node.args[1]
    if node.target != torch.ops.aten.conv2d.default or weight.op != "get_attr":
        return None
    return len(attribute(module, str(weight.target)))


def _inputs(module: torch.fx.GraphModule, node: torch.fx.Node, channels: int | None) -> torch.Tensor | None:
    """Return a view of a layer's weight with the input channel as first axis, or None when there is no such."""
    import torch

    source: Any = node.args[1]
    if source.op != "get_attr":
        return None
    weight = attribute(module, str(source.target))
    if node.target == torch.ops.aten.linear.default:
        return weight.transpose(0, 1) if weight.shape[1] == channels else None
    groups = node.args[6] if len(node.args) > 6 else 1
    if groups == 1:
        return weight.transpose(0, 1)
    if groups == channels and weight.shape[1] == 1 and len(weight) == channels:
        return weight
    return None


def _scale(module: torch.fx.GraphModule, pair: _Pair) -> torch.Tensor:
    import torch

    source: Any = pair.first.args[1]
    weight = attribute(module, str(source.target))
    inputs = _inputs(module, pair.second, len(weight))
    assert inputs is not None
    first = weight.abs().flatten(1).amax(1)
    second = inputs.abs().flatten(1).amax(1)
    scale = torch.sqrt(first / second.clamp(min=1e-12))
    scale = torch.where((first > 0) & (second > 0), scale, torch.ones_like(scale))
    if pair.bound != float("inf"):
        reach = pair.peak * _HEADROOM
        scale = torch.where(reach < pair.bound, torch.maximum(scale, reach / pair.bound), 1.0)
    return scale.clamp(1 / _MAX_SCALE, _MAX_SCALE)


def _apply(module: torch.fx.GraphModule, pair: _Pair, scale: torch.Tensor) -> None:
    source: Any = pair.first.args[1]
    weight = attribute(module, str(source.target))
    weight /= scale.view(-1, *[1] * (weight.ndim - 1))
    bias: Any = pair.first.args[2] if len(pair.first.args) > 2 else None
    if bias is not None:
        value = attribute(module, str(bias.target))
        value /= scale
    inputs = _inputs(module, pair.second, len(weight))
    assert inputs is not None
    inputs *= scale.view(-1, *[1] * (inputs.ndim - 1))
    pair.peak = pair.peak / scale
