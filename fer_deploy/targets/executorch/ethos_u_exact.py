"""The shared quantized graph in exact arithmetic, by which an integer engine's rounding is told from a float's.

torch computes the shared graph in float32: a sum of integers times scales is off by up to some millionths of an output
step, and where the exact value lies that close to half-way the integer may come out one off. That is the reference's
own noise: it changes with the batch size. TOSA's sums are exact and each is rounded once, half-way cases upwards. So
what an Ethos-U's graph answers is compared with the shared graph in doubles, rounded in the same way
(docs/ethos-u.md, "Where a step comes from").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.quantize.graph import Graph, batches
from fer_deploy.quantize.layers import attribute, weighted_layers

if TYPE_CHECKING:
    import torch

#: Images that run at once; doubles take twice the memory.
_BATCH = 16


def exact_logits(graph: Graph, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what a quantized graph gives to uint8 pixels (N, C, H, W) when sums are exact, half-way cases up.

    Everything between two quantizations is computed in doubles; scales are as the graph holds them.
    """
    import torch

    biases = _exact_biases(graph)
    interpreter = _interpreter(graph, biases)
    parts = []
    with torch.inference_mode():
        for batch in batches(pixels, graph.fixed_batch or _BATCH, None):
            parts.append(interpreter.run(torch.from_numpy(batch)).double().numpy())
    logits: NDArray[np.float64] = np.concatenate(parts)
    return logits


def _exact_biases(graph: Graph) -> dict[str, torch.Tensor]:
    """Return by node the biases as doubles that lie on their grid: float32 holds them rounded."""
    import torch

    decomposed = torch.ops.quantized_decomposed
    module: Any = graph.module
    found = {}
    for node in weighted_layers(module):
        bias = node.args[2] if len(node.args) > 2 else None
        source: Any = node.args[0]
        weight: Any = node.args[1]
        if (
            getattr(bias, "op", None) != "get_attr"
            or source.target != decomposed.dequantize_per_tensor.default
            or weight.target != decomposed.dequantize_per_channel.default
        ):
            continue
        scales = attribute(module, str(weight.args[1].target)).detach().double() * float(source.args[1])
        stored: Any = bias
        found[node.name] = (
            torch.round(attribute(module, str(stored.target)).detach().double() / scales) * scales
        )
    return found


def _interpreter(graph: Graph, biases: Mapping[str, torch.Tensor]) -> Any:
    import torch

    decomposed = torch.ops.quantized_decomposed

    class Exact(torch.fx.Interpreter):
        """Runs the graph with doubles between its integers."""

        def run_node(self, n: torch.fx.Node) -> Any:
            if n.op == "get_attr":
                held = super().run_node(n)
                return held.double() if isinstance(held, torch.Tensor) and held.is_floating_point() else held
            if n.op != "call_function":
                return super().run_node(n)
            given, named = self.fetch_args_kwargs_from_env(n)
            if n.target == decomposed.quantize_per_tensor.default:
                value, scale, zero_point, low, high = given[:5]
                integers = torch.floor(value.double() / float(scale) + 0.5) + zero_point
                return integers.clamp(low, high).to(torch.int32)
            if n.target == decomposed.dequantize_per_tensor.default:
                return (given[0].double() - given[2]) * float(given[1])
            if n.target == decomposed.dequantize_per_channel.default:
                shape = [1] * given[0].ndim
                shape[given[3]] = -1
                return (given[0].double() - given[2].double().reshape(shape)) * given[1].double().reshape(
                    shape
                )
            if n.name in biases:
                given = (*given[:2], biases[n.name], *given[3:])
            function: Any = n.target
            return function(*given, **named)

    module: Any = graph.module
    return Exact(module)


def steps_apart(got: NDArray[Any], wanted: NDArray[Any], step: float) -> dict[int, int]:
    """Return how many logits lie how many output steps apart, nearest first."""
    apart = np.abs(np.rint((got.astype(np.float64) - wanted) / step)).astype(np.int64)
    return dict(sorted(Counter(apart.ravel().tolist()).items()))


def in_words(apart: Mapping[int, int], images: int) -> str:
    """Return a sentence on :func:`steps_apart`, for artifact.json."""
    total = sum(apart.values())
    rest = "; ".join(f"{count:,} {steps} off" for steps, count in apart.items() if steps)
    return (
        f"{apart.get(0, 0):,} of {total:,} logits of {images:,} images are the shared graph's in exact arithmetic"
        + (f"; in output steps: {rest}" if rest else "")
    )
