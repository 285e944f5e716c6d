"""Weights rounded so that a layer's output keeps its value, not each weight its own.

GPTQ (Frantar et al., ICLR 2023, https://arxiv.org/abs/2210.17323; the same idea for convolutions in OBC, NeurIPS 2022):
a layer's weights are rounded one after the other, and what each rounding does to the output on calibration images is
made up for by the weights still to come. Scales are those of rounding to the nearest, and what engines compute costs
the same. A depthwise convolution gains most: its nine weights lie on neighbouring, nearly equal pixels, so their errors
add up where they are rounded one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fer_deploy.quantize.layers import attribute, layer_name, weighted_layers
from fer_deploy.quantize.recipe import WEIGHT_MAX

if TYPE_CHECKING:
    import torch

#: Added to the diagonal of the inputs' second moments, as a share of its mean: the paper's value.
_DAMPING = 0.01
#: Positions of a layer's output that its moments are taken on, spread over all there are; more change nothing.
_POSITIONS = 32768
#: Images that run at once: small enough that a layer's inputs and outputs stay in a processor's cache.
_BATCH = 32


def round_by_gptq(
    converted: torch.fx.GraphModule,
    float_graph: torch.fx.GraphModule,
    pixels: torch.Tensor,
    fixed_batch: int | None,
) -> dict[str, torch.Tensor]:
    """Replace the integer weights of a converted graph by GPTQ's, in place.

    Layer by layer in graph order, so that a layer sees inputs that come from weights already replaced. An output
    channel whose error on ``pixels`` does not fall keeps the nearest integers; so does a layer of another kind than
    a convolution or a linear layer with one scale for each of its outputs.

    Args:
        converted: graph after convert.
        float_graph: the same layers, in the same order, with float weights.
        pixels: float32 (N, C, H, W) from the calibration set.
        fixed_batch: the only batch size of both graphs, or None; N is a multiple of it.

    Returns:
        For each layer that was looked at, by name, how many steps each weight moved: int8, of the weight's shape.
    """
    import torch

    plain = dict(zip((node.name for node in weighted_layers(converted)), _weights(float_graph), strict=True))
    places = integer_weights(converted)
    moved: dict[str, torch.Tensor] = {}

    def before(node: torch.fx.Node, inputs: list[torch.Tensor]) -> torch.Tensor | None:
        if node.name not in places:
            return None
        integers, scales = places[node.name]
        weight = plain[node.name].detach()
        moments = _moments(node, inputs, weight)
        if not bool(torch.isfinite(moments).all()):
            return None
        outputs = moments.shape[0], weight.shape[0] // moments.shape[0], -1
        better = _rounded(
            weight.double().reshape(outputs),
            scales.double().reshape(*outputs[:2], 1),
            moments,
            integers.double().reshape(outputs),
        ).reshape(weight.shape)
        moved[layer_name(node)] = (better - integers).to(torch.int8)
        integers.copy_(better.to(integers.dtype))
        return (better * scales.double().reshape(-1, *[1] * (weight.ndim - 1))).float()

    with torch.no_grad():
        _in_lockstep(converted, list(torch.split(pixels, fixed_batch or _BATCH)), before)
    return moved


def _weights(float_graph: torch.fx.GraphModule) -> Iterator[torch.Tensor]:
    for node in weighted_layers(float_graph):
        weight: Any = node.args[1]
        yield attribute(float_graph, str(weight.target))


def integer_weights(
    converted: torch.fx.GraphModule,
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return, by node name, integer weights and scales of the layers of a converted graph that GPTQ is for.

    These are convolutions and linear layers with one scale for each output, whose weight no other layer uses.
    """
    import torch

    aten, decomposed = torch.ops.aten, torch.ops.quantized_decomposed
    nodes = list(converted.graph.nodes)
    uses = Counter(str(node.target) for node in nodes for _ in node.users if node.op == "get_attr")
    found = {}
    for node in nodes:
        if node.target not in {aten.conv1d.default, aten.conv2d.default, aten.linear.default}:
            continue
        weight: Any = node.args[1]
        if weight.target != decomposed.dequantize_per_channel.default or weight.args[3] != 0:
            continue
        integers, scales = weight.args[:2]
        if integers.op == "get_attr" and uses[str(integers.target)] == len(weight.users) == 1:
            places = (str(one.target) for one in (integers, scales))
            first, second = (attribute(converted, place) for place in places)
            found[node.name] = first, second
    return found


def rounded_weights(converted: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the weights of those layers of a converted graph in real units, float32, by layer."""
    import torch

    assert isinstance(converted, torch.fx.GraphModule)
    places = integer_weights(converted)
    return {
        layer_name(node): integers * scales.float().reshape(-1, *[1] * (integers.ndim - 1))
        for node in weighted_layers(converted)
        if node.name in places
        for integers, scales in [places[node.name]]
    }


def _in_lockstep(
    module: torch.fx.GraphModule,
    batches: list[torch.Tensor],
    before: Callable[[torch.fx.Node, list[torch.Tensor]], torch.Tensor | None],
) -> None:
    """Run a graph on all batches, node by node.

    ``before`` sees the inputs of a layer with a weight and may give another weight for it.
    """
    import torch

    runs = [torch.fx.Interpreter(module) for _ in batches]
    for run, batch in zip(runs, batches, strict=True):
        run.args_iter = iter([batch])
    layers = {node.name for node in weighted_layers(module)}
    for node in module.graph.nodes:
        if node.op == "output":
            return
        weight = None
        if node.name in layers:
            weight = before(node, [run.env[node.args[0]] for run in runs])
        for run in runs:
            if weight is not None:
                run.env[node.args[1]] = weight
            run.env[node] = run.run_node(node)
            for done in run.user_to_last_uses.get(node, []):
                del run.env[done]


def _moments(node: torch.fx.Node, inputs: list[torch.Tensor], weight: torch.Tensor) -> torch.Tensor:
    """Return the second moments of a layer's inputs: float64 (groups, K, K), K the weights of one output."""
    import torch

    arguments: Any = [*node.args, *[None] * 7][:7]
    groups = arguments[6] or 1
    total = torch.zeros(groups, weight[0].numel(), weight[0].numel(), dtype=torch.float64)
    for batch in inputs:
        if node.target == torch.ops.aten.linear.default:
            seen = batch.reshape(1, -1, batch.shape[-1]).transpose(1, 2)
        else:
            seen = _patches(batch, weight, arguments[3:6], groups)
        # odd: an even step may fall on the same columns of every row
        step = seen.shape[-1] * len(inputs) // _POSITIONS | 1
        some = seen[..., ::step]
        total += (some @ some.transpose(1, 2)).double()
    return total


def _patches(batch: torch.Tensor, weight: torch.Tensor, geometry: list[Any], groups: int) -> torch.Tensor:
    """Return what a convolution's kernel lies on: float32 (groups, K, positions)."""
    import torch

    kernel = tuple(weight.shape[2:])
    stride, padding, dilation = (
        tuple(given or [neutral]) * (1 if given and len(given) == len(kernel) else len(kernel))
        for given, neutral in zip(geometry, (1, 0, 1), strict=True)
    )
    if len(kernel) == 1:  # unfold takes pictures only
        batch, kernel = batch.unsqueeze(2), (1, *kernel)
        stride, padding, dilation = (1, *stride), (0, *padding), (1, *dilation)
    found = torch.nn.functional.unfold(batch, kernel, dilation, padding, stride)
    count, _, positions = found.shape
    return (
        found.reshape(count, groups, -1, positions).permute(1, 2, 0, 3).reshape(groups, -1, count * positions)
    )


def _rounded(
    weight: torch.Tensor, scale: torch.Tensor, moments: torch.Tensor, nearest: torch.Tensor
) -> torch.Tensor:
    """Return integers, float64 (groups, outputs, K), whose error on the inputs is at most that of the nearest.

    Args:
        weight: float64 (groups, outputs, K).
        scale: float64 (groups, outputs, 1).
        moments: float64 (groups, K, K).
        nearest: integers, float64 (groups, outputs, K).
    """
    import torch

    # The largest inputs first: what their rounding does, the others make up for.
    order = moments.diagonal(dim1=1, dim2=2).argsort(dim=1, descending=True, stable=True)
    rows = order[:, None, :].expand_as(weight)
    left = weight.gather(2, rows)
    sorted_moments = moments.gather(1, order[:, :, None].expand_as(moments))
    sorted_moments = sorted_moments.gather(2, order[:, None, :].expand_as(moments))
    diagonal = sorted_moments.diagonal(dim1=1, dim2=2)
    added = _DAMPING * diagonal.mean(dim=1, keepdim=True) + torch.finfo(torch.float64).tiny
    factor, failed = torch.linalg.cholesky_ex(sorted_moments + torch.diag_embed(added.expand_as(diagonal)))
    if bool(failed.any()):
        return nearest
    upper = torch.linalg.cholesky(torch.cholesky_inverse(factor)).transpose(1, 2)
    chosen = torch.empty_like(left)
    for index in range(left.shape[2]):
        column = left[:, :, index : index + 1]
        integer = (column / scale).round().clamp(-WEIGHT_MAX, WEIGHT_MAX)
        chosen[:, :, index : index + 1] = integer
        error = (column - integer * scale) / upper[:, index, index][:, None, None]
        left[:, :, index:] -= error * upper[:, None, index, index:]
    found = torch.empty_like(chosen).scatter(2, rows, chosen)
    better = _error(weight, found * scale, moments) < _error(weight, nearest * scale, moments)
    return torch.where(better[:, :, None], found, nearest)


def _error(weight: torch.Tensor, rounded: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    """Return each output's squared error summed over the inputs, float64 (groups, outputs)."""
    apart = weight - rounded
    return ((apart @ moments) * apart).sum(dim=2)
