"""GPTQ: a layer's output moves less than with each weight at its nearest integer, and nothing else changes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fer_deploy.model import Model
from fer_deploy.quantize.canonical import Canonical
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.layers import attribute, layer_name, weighted_layers
from fer_deploy.quantize.prepare import prepare
from fer_deploy.quantize.proof import sqnr_of
from fer_deploy.quantize.ptq import float_graph, nearest_integers, quantize_ptq
from fer_deploy.quantize.recipe import CalibrationSet, PtqOptions, choose_calibration
from fer_deploy.quantize.rounding import _error, _moments, _rounded, integer_weights, round_by_gptq
from fixtures.outside import Outside
from fixtures.synthetic import contract_for, input_spec, separable_faces

NEAREST = PtqOptions(rounding="nearest")


def problem(seed: int, outputs: int, weights: int) -> tuple[torch.Tensor, ...]:
    """Weights, scales, moments of correlated inputs, and nearest integers, of one group."""
    random = torch.Generator().manual_seed(seed)
    weight = torch.randn(1, outputs, weights, generator=random, dtype=torch.float64)
    scale = weight.abs().amax(2, keepdim=True) / 127
    inputs = torch.rand(1, weights, 40, generator=random, dtype=torch.float64) + 0.5
    return weight, scale, inputs @ inputs.transpose(1, 2), (weight / scale).round()


@given(seed=st.integers(0, 10**6), outputs=st.integers(1, 5), weights=st.integers(1, 30))
@settings(deadline=None)
def test_no_output_is_worse_than_with_the_nearest(seed: int, outputs: int, weights: int) -> None:
    weight, scale, moments, nearest = problem(seed, outputs, weights)
    found = _rounded(weight, scale, moments, nearest)
    assert bool((found == found.round()).all())
    assert float(found.abs().max()) <= 127
    assert bool((_error(weight, found * scale, moments) <= _error(weight, nearest * scale, moments)).all())


def test_it_is_near_the_best_there_is() -> None:
    """Every choice of floor or ceiling for five weights, for 200 outputs: GPTQ closes most of the way to the best."""
    shares = []
    for seed in range(200):
        weight, scale, moments, nearest = problem(seed, 1, 5)
        floor = (weight / scale).floor()
        choices = torch.tensor(list(itertools.product((0.0, 1.0), repeat=5)), dtype=torch.float64)
        best = float(_error(weight, (floor + choices[None]) * scale, moments).min())
        ours = float(_error(weight, _rounded(weight, scale, moments, nearest) * scale, moments))
        plain = float(_error(weight, nearest * scale, moments))
        shares.append((plain - ours) / (plain - best) if plain > best * 1.01 else 1.0)
    assert np.mean(shares) > 0.6


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), (5, 3, 9, 7)),
        (nn.Conv2d(4, 8, (3, 2), padding=(1, 0), dilation=(2, 1), groups=2, bias=False), (5, 4, 9, 8)),
        (nn.Conv2d(6, 6, 3, groups=6, bias=False), (5, 6, 8, 8)),
        (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2, bias=False), (5, 4, 11)),
        (nn.Linear(7, 3, bias=False), (5, 7)),
        (nn.Linear(7, 3, bias=False), (5, 4, 7)),
    ],
)
def test_moments_say_what_an_error_of_the_weights_does_to_the_output(
    layer: nn.Module, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    given = torch.randn(*shape)
    graph = torch.export.export(layer, (given,)).module()
    assert isinstance(graph, torch.fx.GraphModule)
    node = next(one for one in graph.graph.nodes if one.op == "call_function" and "guard" not in one.name)
    weight = layer.get_parameter("weight").detach()
    other = weight + 0.1 * torch.randn(weight.shape)
    moments = _moments(node, [given[:3], given[3:]], weight)
    grouped = (moments.shape[0], weight.shape[0] // moments.shape[0], -1)
    error = _error(weight.double().reshape(grouped), other.double().reshape(grouped), moments).flatten()
    with torch.no_grad():
        before = layer(given)
        layer.get_parameter("weight").copy_(other)
        apart = (before - layer(given)).square()
    channels = apart.ndim - 1 if isinstance(layer, nn.Linear) else 1
    measured = apart.sum([axis for axis in range(apart.ndim) if axis != channels])
    torch.testing.assert_close(error.float(), measured, rtol=1e-4, atol=1e-4)


def test_only_the_integers_differ_and_the_network_is_nearer(
    separable_model: Outside, separable_calibration: CalibrationSet, separable_form: Canonical
) -> None:
    model, test = separable_model.model, separable_model.test
    plain, ours = (
        quantize_ptq(model, separable_calibration, options, separable_form)
        for options in (NEAREST, PtqOptions())
    )
    assert ours.scales == plain.scales
    reference = float_graph(model).logits(test.pixels, "float")

    def quality(graph: Graph) -> float:
        return sqnr_of(reference, graph.logits(test.pixels, "int8"))

    assert quality(ours) > quality(plain)
    pairs = zip(integers_of(plain), integers_of(ours), strict=True)
    assert any(bool((one != other).any()) for one, other in pairs)


def integers_of(graph: Graph) -> list[torch.Tensor]:
    assert isinstance(graph.module, torch.fx.GraphModule)
    return [integers for integers, _ in integer_weights(graph.module).values()]


def test_small_batches_do_the_same(
    separable_model: Outside, separable_calibration: CalibrationSet, separable_form: Canonical
) -> None:
    prepared = prepare(separable_model.model, separable_calibration, NEAREST, separable_form)
    pixels = torch.from_numpy(separable_calibration.faces.pixels.astype("float32"))
    moved = [
        round_by_gptq(nearest_integers(prepared), prepared.float_graph, pixels, size) for size in (None, 4)
    ]
    assert moved[0].keys() == moved[1].keys()
    for layer, steps in moved[0].items():
        apart = float((steps != moved[1][layer]).float().mean())
        assert apart < 0.02, (layer, apart)  # sums in another order, and other positions


class Unusual(nn.Module):
    """One convolution at two places, a transposed one, and two layers of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv2d(1, 1, 3, padding=1)
        self.up = nn.ConvTranspose2d(1, 4, 2, stride=2)
        self.own = nn.Conv2d(4, 4, 3)
        self.head = nn.Linear(4, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        face = torch.relu(self.twice(torch.relu(self.twice(image))))
        face = torch.relu(self.own(torch.relu(self.up(face))))
        logits: torch.Tensor = self.head(face.mean(dim=(2, 3)))
        return logits


def test_a_layer_that_it_is_not_for_keeps_its_integers() -> None:
    torch.manual_seed(0)
    network = Unusual().eval()
    model = Model("unusual", "unusual", network, contract_for(input_spec()), "0" * 64)
    prepared = prepare(model, choose_calibration(separable_faces(80, 0), 64), NEAREST)
    converted = nearest_integers(prepared)
    faces = torch.from_numpy(separable_faces(8, 1).pixels.astype("float32"))
    moved = round_by_gptq(converted, prepared.float_graph, faces, None)
    assert "network.up" not in moved
    assert set(moved) >= {"normalise", "network.own", "network.head"}
    before, after = int8_weights(nearest_integers(prepared)), int8_weights(converted)
    changed = {layer for layer, integers in after.items() if bool((integers != before[layer]).any())}
    assert {"network.own", "network.head"} <= changed <= set(moved)
    assert "network.up" in after


def int8_weights(converted: torch.fx.GraphModule) -> dict[str, torch.Tensor]:
    """Return every layer's integers, whether GPTQ is for it or not."""
    found = {}
    for node in weighted_layers(converted):
        weight: Any = node.args[1]
        found[layer_name(node)] = attribute(converted, str(weight.args[0].target))
    return found
