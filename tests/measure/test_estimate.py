"""Estimates as Measurements: provenance, band and rows travel with the figure."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from fer_deploy.devices.estimator.networks import network
from fer_deploy.devices.profile import load_profile
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.measure.estimate import estimated_latency, estimated_runtime
from fer_deploy.measure.latency import runtime_figures
from fer_deploy.measure.measurement import Provenance
from fer_deploy.quantize.costs import GraphCosts, graph_costs
from fer_deploy.targets.artifact import Artifact, open_artifact
from fixtures.lowered import GraphOf, Lower


def _mobilenet() -> GraphCosts:
    costs = network("mobilenet_v2_1.0", 96)
    assert costs is not None
    return costs


def _with(artifact: Artifact, costs: GraphCosts | None) -> Artifact:
    return dataclasses.replace(artifact, info=artifact.info.model_copy(update={"costs": costs}))


@pytest.mark.parametrize("recipe", ["float", "w8a8-ptq"])
def test_operators_of_real_graphs(graph_of: GraphOf, recipe: str) -> None:
    """A quantized graph runs the same operators; its quantize and dequantize are not work of their own."""
    costs = graph_costs(graph_of(recipe))
    assert costs.macs == graph_costs(graph_of("float")).macs > 0
    kinds = Counter(op.kind for op in costs.ops)
    assert kinds == Counter(op.kind for op in graph_costs(graph_of("float")).ops)
    assert kinds["linear"] == 1
    assert kinds["pool"] == 1
    assert kinds["depthwise"] >= 4
    assert kinds["pointwise"] > kinds["depthwise"]


def test_artifacts_carry_their_costs(lowered: Lower, graph_of: GraphOf) -> None:
    artifact = open_artifact(lowered("onnx", "w8a8-ptq")[0].folder)
    assert artifact.info.costs == graph_costs(graph_of("w8a8-ptq"))


def test_an_estimate_cites_its_rows() -> None:
    figure = estimated_latency(load_profile("raspberry-pi-4"), _mobilenet(), "float", "executorch", 4)
    assert figure.provenance is Provenance.ESTIMATED
    assert figure.interval is not None
    assert figure.value is not None
    assert figure.interval.low < figure.value < figure.interval.high
    assert "google/XNNPACK@0085ae3" in figure.conditions["calibration"]
    assert figure.conditions["basis"] == "same conditions"


def test_a_refusal_is_not_measured() -> None:
    figure = estimated_latency(load_profile("iphone-16"), _mobilenet(), "float", "executorch")
    assert figure.provenance is Provenance.NOT_MEASURED
    assert figure.value is None
    assert figure.reason is not None
    assert figure.reason.startswith("no estimate: ")


def test_runtime_figures_of_a_phone_that_is_not_here(lowered: Lower) -> None:
    artifact = _with(lowered("executorch", "w8a8-ptq")[0], _mobilenet())
    figures = runtime_figures(artifact, load_profile("pixel-8"), TimingProtocol(threads=2))
    assert figures.latency_p50.provenance is Provenance.ESTIMATED
    assert figures.threads == 2
    for figure in (figures.latency_p90, figures.latency_p99, figures.load, figures.peak_memory):
        assert figure.provenance is Provenance.NOT_MEASURED
        assert figure.reason


@pytest.mark.parametrize(
    ("target", "device", "costs", "reason"),
    [
        ("onnx", "pixel-8", _mobilenet(), "no published row was measured with onnx"),
        ("onnx", "iphone-14", _mobilenet(), "Apple iPhone 14 does not run onnx"),
        ("executorch", "pixel-8", None, "holds no operator costs; export it again"),
        ("executorch", "pixel-8", GraphCosts("a dot", _mobilenet().ops[-1:]), "a dot has 1.28 M"),
    ],
)
def test_reasons(lowered: Lower, target: str, device: str, costs: GraphCosts | None, reason: str) -> None:
    artifact = _with(lowered(target, "float")[0], costs)
    figures = estimated_runtime(artifact, load_profile(device), 1)
    assert figures.latency_p50.value is None
    assert reason in (figures.latency_p50.reason or "")


@pytest.mark.parametrize(
    ("target", "recipe", "device", "nearest"),
    [
        ("onnx", "w8a8-ptq", "pixel-8", "executorch in int8 on Google Pixel 8"),
        ("executorch", "float", "galaxy-s25", "executorch in float on Samsung Galaxy S24"),
        ("executorch", "w8a8-ptq", "iphone-16", "nor has another iOS device"),
    ],
)
def test_a_refusal_names_the_nearest_that_has_an_estimate(
    lowered: Lower, target: str, recipe: str, device: str, nearest: str
) -> None:
    artifact = _with(lowered(target, recipe)[0], _mobilenet())
    reason = estimated_runtime(artifact, load_profile(device), 1).latency_p50.reason or ""
    assert nearest in reason
    assert reason.startswith("no estimate: ")


def test_the_nearest_is_given_with_its_own_estimate(lowered: Lower) -> None:
    refused = _with(lowered("onnx", "w8a8-ptq")[0], _mobilenet())
    reason = estimated_runtime(refused, load_profile("pixel-8"), 1).latency_p50.reason or ""
    alone = estimated_latency(load_profile("pixel-8"), _mobilenet(), "int8", "executorch")
    assert alone.interval is not None
    assert reason.endswith(f"{alone.value:.2g} ms [{alone.interval.low:.2g}, {alone.interval.high:.2g}]")
