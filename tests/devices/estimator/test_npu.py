"""The NPU tier brackets a network between published ones, or says why it cannot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.devices.estimator.builder import Builder
from fer_deploy.devices.estimator.estimate import Estimate, estimate_latency
from fer_deploy.devices.estimator.networks import network
from fer_deploy.devices.estimator.npu import Bracket, bracket, leave_one_model_out, npu_rows
from fer_deploy.devices.profile import load_profile
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.costs import GraphCosts

_S25 = [row for row in npu_rows() if row.device == "Samsung Galaxy S25" and row.precision == "int8"]


def _small() -> GraphCosts:
    return Builder("small", 48, 1).conv(16, 3, 2).depthwise(3).conv(32).global_pool().linear(8).done()


def test_a_small_network_is_bracketed() -> None:
    found = estimate_latency(load_profile("galaxy-s25"), _small(), "int8", "qnn")
    assert isinstance(found, Estimate)
    assert found.low < found.milliseconds < found.high
    assert any("ai-hub-models" in citation for citation in found.citations)
    ceilings = [row.milliseconds for row in _S25 if row.costs is not None]
    assert found.high <= max(ceilings)


def test_rows_of_an_npu_say_nothing_of_a_cpu_or_of_another_phone() -> None:
    for device, runtime, reason in (
        ("pixel-9", "qnn", "has no NPU that qnn drives"),
        ("galaxy-s25", "coreml", "has no NPU that coreml drives"),
        ("galaxy-s23", "qnn", "no published row"),
        ("iphone-16", "coreml", "no published row"),
    ):
        found = estimate_latency(load_profile(device), _small(), "float", runtime)
        assert isinstance(found, Unknown), device
        assert reason in found.reason


def test_without_a_floor_only_the_ceiling_is_said() -> None:
    found = estimate_latency(load_profile("iphone-15-pro"), _small(), "float", "coreml")
    assert isinstance(found, Unknown)
    assert "at most 0.49 ms (mobilenet_v2_1.0)" in found.reason


def test_larger_than_everything_is_refused() -> None:
    vgg = network("vgg16", 224)
    assert vgg is not None
    found = estimate_latency(load_profile("galaxy-s25"), vgg, "float", "qnn")
    assert isinstance(found, Unknown)
    assert "larger than every network published" in found.reason


@given(st.integers(1, 6), st.integers(1, 6))
def test_more_layers_never_lower_the_band(first: int, more: int) -> None:
    net = Builder("net", 48, 1).conv(16, 3, 2)
    for _ in range(first):
        net.conv(16)
    fewer = bracket(_S25, net.done())
    for _ in range(more):
        net.conv(16)
    longer = bracket(_S25, net.done())
    assert isinstance(fewer, Bracket)
    assert isinstance(longer, Bracket)
    assert longer.low >= fewer.low
    assert longer.high >= fewer.high


def test_left_out_rows_are_mostly_inside() -> None:
    found = [(one.row, one.found) for one in leave_one_model_out() if isinstance(one.found, Bracket)]
    inside = sum(band.low <= row.milliseconds <= band.high for row, band in found)
    assert len(found) >= 20
    assert inside / len(found) >= 0.85
