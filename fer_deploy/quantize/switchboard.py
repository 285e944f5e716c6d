"""A calibrated graph in which quantization is switched on layer by layer, without converting anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.quantize.graph import batches
from fer_deploy.quantize.layers import clamp_operators, layer_name, weighted_operators
from fer_deploy.quantize.preflight import observers
from fer_deploy.quantize.prepare import Prepared
from fer_deploy.quantize.recipe import QMAX, QMIN, WEIGHT_EPS, WEIGHT_MAX
from fer_deploy.train.fake_quantize import ActivationQuantizer, WeightQuantizer

if TYPE_CHECKING:
    import torch

#: As in :mod:`fer_deploy.quantize.graph`.
_BATCH = 32


def decibel(signal: float, noise: float) -> float:
    """Return 10 log10(signal / noise) of two powers; infinite without noise."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def fake_quantizers(observed: torch.fx.GraphModule) -> dict[int, torch.nn.Module]:
    """Return, by ``id`` of each calibrated observer, the fake-quantizer of the grid that conversion gives it."""
    made: dict[int, torch.nn.Module] = {}
    for node, observer in observers(observed):
        if node.op == "get_attr":
            made[id(observer)] = WeightQuantizer(WEIGHT_MAX, WEIGHT_EPS)
        else:
            scale, zero_point = observer.calculate_qparams()
            made[id(observer)] = ActivationQuantizer(scale, zero_point, QMIN, QMAX)
    return made


class Switchboard:
    """Runs a prepared model in float, except for the layers that are switched on.

    A layer is a convolution or linear layer with its clamp; switched on, its input, weight and output are
    rounded to the grid that conversion would give them. All layers on is the quantized graph, but for the
    operations without a weight and the rounding of biases.
    """

    def __init__(self, prepared: Prepared, rounded: Mapping[str, torch.Tensor] | None = None) -> None:
        """Switch everything off.

        Args:
            prepared: the calibrated model.
            rounded: weights of layers that conversion does not round to the nearest, by layer.
        """
        self._graph = prepared.observed
        self._rounded = {
            node.args[1].name: partial(_given, weight)
            for node in prepared.observed.graph.nodes
            if (weight := (rounded or {}).get(layer_name(node))) is not None
            and node.target in weighted_operators()
        }
        self._batch = prepared.fixed_batch or _BATCH
        self._quantizers = fake_quantizers(self._graph)
        self._of_layer = {
            layer_name(node): names
            for node in self._graph.graph.nodes
            if node.target in weighted_operators() and (names := self._around(node))
        }

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that can be switched on, in graph order."""
        return tuple(self._of_layer)

    def logits(self, pixels: NDArray[np.uint8], layers: frozenset[str]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) of uint8 pixels (N, C, H, W) with ``layers`` quantized."""
        import torch

        runner = _runner(self, {name for layer in layers for name in self._of_layer[layer]}, None)
        with torch.no_grad():
            parts = [
                self._logits_of(runner.run(torch.from_numpy(batch)))
                for batch in batches(pixels, self._batch, "evaluating")
            ]
        return np.concatenate(parts)

    def output_sqnr(self, pixels: NDArray[np.uint8]) -> dict[str, float]:
        """Return each layer's SQNR, dB: its output when it alone is quantized, against its float output."""
        import torch

        powers: dict[str, list[float]] = {layer: [0.0, 0.0] for layer in self._of_layer}
        runner = _runner(self, set(), powers)
        with torch.no_grad():
            for batch in batches(pixels, self._batch, "comparing layers"):
                runner.run(torch.from_numpy(batch))
        return {layer: decibel(signal, noise) for layer, (signal, noise) in powers.items()}

    def quantizer(self, node: torch.fx.Node) -> Any:
        """Return the fake-quantizer that stands for an observer node, or None when it is no observer."""
        if node.op != "call_module":
            return None
        if node.name in self._rounded:
            return self._rounded[node.name]
        return self._quantizers.get(id(self._graph.get_submodule(str(node.target))))

    def _around(self, node: torch.fx.Node) -> set[str]:
        """Return the names of the observer nodes at a layer's input, weight and output."""
        inputs = {one.name for one in node.all_input_nodes if self.quantizer(one) is not None}
        if not inputs:
            return set()
        outputs = {one.name for one in layer_end(node).users if self.quantizer(one) is not None}
        return inputs | outputs

    @staticmethod
    def _logits_of(value: Any) -> NDArray[np.float32]:
        tensor = value[0] if isinstance(value, (tuple, list)) else value
        logits: NDArray[np.float32] = tensor.numpy().astype(np.float32)
        return logits


def _given(value: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """Stand for the observer of a weight whose rounded values are known."""
    return value


def layer_end(node: torch.fx.Node) -> torch.fx.Node:
    """Return the clamp that alone consumes a layer, or the layer itself."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].target in clamp_operators() else node


def _runner(board: Switchboard, enabled: set[str], powers: dict[str, list[float]] | None) -> Any:
    """Return an interpreter of the board's graph; with ``powers`` it adds up signal and noise of each layer."""
    import torch

    class Runner(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            if board.quantizer(n) is not None:
                source: Any = n.args[0]
                value = self.env[source]
                return board.quantizer(n)(value) if n.name in enabled else value
            value = super().run_node(n)
            if powers is not None and layer_name(n) in powers:
                self._add(n, powers[layer_name(n)])
            return value

        def _add(self, node: torch.fx.Node, power: list[float]) -> None:
            """Compute a layer again with its inputs, weight and output rounded, clamp included in both."""
            args: Any
            args, kwargs = self.fetch_args_kwargs_from_env(node)
            rounded = [
                board.quantizer(source)(value)
                if isinstance(source, torch.fx.Node) and board.quantizer(source) is not None
                else value
                for source, value in zip(node.args, args, strict=True)
            ]
            target: Any = node.target
            plain, other = target(*args, **kwargs), target(*rounded, **kwargs)
            end = layer_end(node)
            if end is not node:
                clamp: Any = end.target
                plain, other = clamp(plain, *end.args[1:]), clamp(other, *end.args[1:])
            behind = [board.quantizer(user) for user in end.users if board.quantizer(user) is not None]
            if behind:
                other = behind[0](other)
            power[0] += float(plain.double().square().sum())
            power[1] += float((plain - other).double().square().sum())

    return Runner(board._graph)
