"""Observers, equalisation, bias correction: what each is supposed to do, on graphs where that can be told."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fer_deploy.errors import ConfigError, QuantizationError
from fer_deploy.model import Model
from fer_deploy.quantize.bias import channel_means
from fer_deploy.quantize.canonical import Canonical, canonical
from fer_deploy.quantize.equalize import equalize
from fer_deploy.quantize.graph import Graph, scales_of
from fer_deploy.quantize.layers import attribute, layer_name, weighted_layers
from fer_deploy.quantize.observers import mse_range, percentile_range
from fer_deploy.quantize.prepare import calibration_evidence, prepare, statistics_pixels
from fer_deploy.quantize.ptq import float_graph, nearest_integers, quantize_ptq
from fer_deploy.quantize.recipe import (
    OBSERVERS,
    CalibrationSet,
    ObserverName,
    PtqOptions,
    choose_calibration,
    parse_options,
)
from fixtures.outside import Outside, rgb112
from fixtures.synthetic import contract_for, input_spec, separable_faces

CALIBRATION = choose_calibration(separable_faces(320, 0), 64)


def folded_graph(model: Model, calibration: CalibrationSet) -> torch.fx.GraphModule:
    return canonical(model, calibration_evidence(model, calibration)).module


def histogram_of(values: torch.Tensor, bins: int = 2048) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    low, high = values.min(), values.max()
    return torch.histc(values, bins, float(low), float(high)), low, high


def squared_error(values: torch.Tensor, low: float, high: float) -> float:
    scale = (high - low) / 255
    zero = round(-128 - low / scale)
    rounded = torch.fake_quantize_per_tensor_affine(values, scale, max(-128, min(127, zero)), -128, 127)
    return float((rounded - values).square().mean())


@given(st.integers(0, 2**32 - 1), st.floats(60, 99.9))
def test_percentile_range_holds_its_share(seed: int, percentile: float) -> None:
    values = torch.from_numpy(np.random.default_rng(seed).normal(1.0, 2.0, 20_000).astype(np.float32))
    low, high = percentile_range(*histogram_of(values), percentile)
    share = float(((values >= low) & (values <= high)).float().mean())
    assert share == pytest.approx(percentile / 100, abs=0.005)


def test_percentile_range_keeps_the_zeros_of_a_relu() -> None:
    values = torch.relu(torch.from_numpy(np.random.default_rng(0).normal(size=20_000).astype(np.float32)))
    low, high = percentile_range(*histogram_of(values), 99.0)
    assert float(low) == 0.0
    assert float(high) < float(values.max())


@settings(max_examples=20)  # each tries thousands of ranges
@given(st.integers(0, 2**32 - 1), st.floats(5, 50))
def test_mse_range_is_never_worse_than_the_whole_range(seed: int, outlier: float) -> None:
    generator = np.random.default_rng(seed)
    values = torch.from_numpy(generator.normal(size=5000).astype(np.float32))
    values[0] = outlier
    low, high = mse_range(*histogram_of(values), 255)
    whole = squared_error(values, float(values.min()), float(values.max()))
    assert squared_error(values, float(low), float(high)) <= whole * 1.05


def test_mse_range_clips_where_clipping_pays() -> None:
    values = torch.from_numpy(np.random.default_rng(0).normal(size=1_000_000).astype(np.float32))
    values[0] = 12.0
    low, high = mse_range(*histogram_of(values), 15)
    assert float(high) < 6.0
    assert squared_error_levels(values, float(low), float(high), 15) < 0.3 * squared_error_levels(
        values, float(values.min()), 12.0, 15
    )


def squared_error_levels(values: torch.Tensor, low: float, high: float, levels: int) -> float:
    scale = (high - low) / levels
    rounded = torch.clamp(torch.round((values - low) / scale), 0, levels) * scale + low
    return float((rounded - values).square().mean())


@pytest.fixture(scope="module")
def quantized(
    separable_model: Outside, separable_calibration: CalibrationSet, separable_form: Canonical
) -> Callable[[PtqOptions], Graph]:
    """Gives the trained net's int8 graph under some options, each made once. Do not change it."""

    @functools.cache
    def made(options: PtqOptions) -> Graph:
        return quantize_ptq(separable_model.model, separable_calibration, options, separable_form)

    return made


@pytest.mark.parametrize("observer", OBSERVERS)
def test_every_observer_quantizes_well(
    separable_model: Outside, quantized: Callable[[PtqOptions], Graph], observer: ObserverName
) -> None:
    model, test = separable_model.model, separable_model.test
    reference = float_graph(model).logits(test.pixels, "float").argmax(1)
    graph = quantized(parse_options(observer=observer))
    assert graph.options == PtqOptions(observer=observer)
    answers = graph.logits(test.pixels, "int8").argmax(1)
    assert (answers == reference).mean() >= 0.98


def test_observers_differ_in_what_they_choose(quantized: Callable[[PtqOptions], Graph]) -> None:
    scales = {}
    for observer in OBSERVERS:
        asked = {"percentile": 99.0} if observer == "percentile" else {}
        made = quantized(parse_options(observer=observer, **asked)).scales
        assert made is not None
        scales[observer] = tuple(one.scale for one in made.activations)
    assert len(set(scales.values())) == len(OBSERVERS)
    # What clips cannot have the wider range.
    pairs = zip(scales["percentile"], scales["min-max"], strict=True)
    assert all(clipped <= whole * 1.001 for clipped, whole in pairs)


@pytest.mark.parametrize(
    ("values", "said"),
    [({"observer": "entropy"}, "observer"), ({"percentile": 120}, "percentile"), ({"colour": 1}, "colour")],
)
def test_bad_options_are_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=f"quantization option {said}"):
        parse_options(**values)


def clamped_net(clamp: nn.Module, spread: float) -> Model:
    """Two convolutions around a clamp; the first one's channels differ by ``spread``."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
    head = nn.Linear(8, 4)
    assert first.bias is not None
    with torch.no_grad():
        first.weight *= torch.logspace(0, float(np.log10(spread)), 8).view(-1, 1, 1, 1) / spread
        first.bias.zero_()
    network = nn.Sequential(
        first, clamp, second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
    ).eval()
    return Model("clamped", "clamped", network, contract_for(input_spec()), "0" * 64)


@pytest.mark.parametrize("clamp", [nn.ReLU(), nn.ReLU6(), nn.Identity()])
def test_equalisation_keeps_the_function_and_evens_the_ranges(clamp: nn.Module) -> None:
    model = clamped_net(clamp, 100.0)
    graph = folded_graph(model, CALIBRATION)
    pixels = statistics_pixels(None, CALIBRATION)
    with torch.no_grad():
        before = graph(pixels)
        assert equalize(graph, pixels) > 4
        after = graph(pixels)
    assert torch.allclose(before, after, atol=1e-4 * float(before.abs().max()))
    first, second = weighted_layers(graph)[1:3]
    peaks = [
        attribute(graph, str(node.args[1].target)).detach().abs().flatten(1).amax(1)  # type: ignore[union-attr]
        for node in (first, second)
    ]
    # each pair of ranges is equal where nothing stood in the way
    assert float((peaks[0] / peaks[1]).log().abs().median()) < 0.1


def test_equalisation_leaves_channels_that_reach_the_clamp() -> None:
    model = clamped_net(nn.ReLU6(), 1.0)
    with torch.no_grad():
        model.network[0].weight *= 50  # type: ignore[index]
    graph = folded_graph(model, CALIBRATION)
    pixels = statistics_pixels(None, CALIBRATION)
    with torch.no_grad():
        before = graph(pixels)
        equalize(graph, pixels)
        assert torch.allclose(before, graph(pixels), atol=1e-4 * float(before.abs().max()))


def test_bias_correction_restores_channel_means(
    separable_calibration: CalibrationSet,
    separable_form: Canonical,
    quantized: Callable[[PtqOptions], Graph],
) -> None:
    pixels = statistics_pixels(None, separable_calibration)
    target = channel_means(separable_form.module, pixels)

    def distance(options: PtqOptions) -> float:
        module = quantized(options).module
        assert isinstance(module, torch.fx.GraphModule)
        means = channel_means(module, pixels)
        return sum(float((ours - theirs).abs().sum()) for ours, theirs in zip(means, target, strict=True))

    plain = distance(PtqOptions())
    assert distance(PtqOptions(bias_correction=True)) < 0.5 * plain


def test_calibrating_does_not_change_the_model(separable_model: Outside) -> None:
    before = {name: value.clone() for name, value in separable_model.model.network.state_dict().items()}
    options = PtqOptions(equalization=True, bias_correction=True)
    quantize_ptq(separable_model.model, choose_calibration(separable_model.training, 32), options)
    for name, value in separable_model.model.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_fused_clamps_save_a_quantization() -> None:
    torch.manual_seed(0)
    model = Model("drawn", "drawn", rgb112().eval(), contract_for(input_spec(48, "rgb")), "0" * 64)
    calibration = choose_calibration(separable_faces(80, 0, 48, 3), 16)
    form = canonical(model, calibration_evidence(model, calibration))
    counts = []
    for fused in (True, False):
        observed = prepare(model, calibration, PtqOptions(fused_clamps=fused), form)
        scales = scales_of(nearest_integers(observed))
        counts.append(len(scales.activations))
    # two ReLU6; XNNPACK's quantizer fuses the two ReLUs by itself
    assert counts[1] - counts[0] == 2


def test_float_layers_keep_their_weights(quantized: Callable[[PtqOptions], Graph]) -> None:
    names = ("network.stem.0", "network.blocks.1.first.pointwise")
    graph = quantized(PtqOptions(float_layers=names))
    floats = {
        layer_name(node)
        for node in weighted_layers(graph.module)  # type: ignore[arg-type]
        if node.args[1].op == "get_attr"  # type: ignore[union-attr]
    }
    assert floats == set(names)


def test_unknown_float_layer_is_named(quantized: Callable[[PtqOptions], Graph]) -> None:
    with pytest.raises(QuantizationError, match="no quantizable layer is called 'nowhere'"):
        quantized(PtqOptions(float_layers=("nowhere",)))
