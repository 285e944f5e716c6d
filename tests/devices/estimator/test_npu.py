"""The NPU tier refuses, and says why and what published networks say all the same."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.devices.estimator.builder import Builder
from fer_deploy.devices.estimator.estimate import estimate_latency
from fer_deploy.devices.estimator.networks import network
from fer_deploy.devices.estimator.npu import Bracket, bracket, ceiling, leave_one_model_out, npu_rows
from fer_deploy.devices.estimator.rows import Precision
from fer_deploy.devices.profile import load_profile
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.costs import GraphCosts

_S25 = [row for row in npu_rows() if row.device == "Samsung Galaxy S25" and row.precision == "int8"]


def _small() -> GraphCosts:
    return Builder("small", 48, 1).conv(16, 3, 2).depthwise(3).conv(32).global_pool().linear(8).done()


def _refused(device: str, costs: GraphCosts, precision: Precision, runtime: str = "qnn") -> str:
    found = estimate_latency(load_profile(device), costs, precision, runtime)
    assert isinstance(found, Unknown), device
    return found.reason


def test_a_small_network_is_refused_with_why_and_with_what_is_known() -> None:
    reason = _refused("galaxy-s25", _small(), "int8")
    assert reason.startswith("not measured, and published rows do not carry an estimate")
    known = {row.architecture: row.costs.macs for row in _S25 if row.costs is not None}
    assert (
        f"{len(known)} networks with known operators in int8, the smallest {min(known.values()) / 1e6:.0f} M"
        in reason
    )
    assert "off the middle of their bracket" in reason
    least = ceiling(_S25, _small())
    assert least is not None
    assert f"at most {least[0]:g} ms, as {least[1]} asks no less in any respect" in reason


@pytest.mark.parametrize(
    ("device", "runtime", "reason"),
    [
        ("pixel-9", "qnn", "has no NPU that qnn drives"),
        ("galaxy-s25", "coreml", "has no NPU that coreml drives"),
        ("galaxy-s23", "qnn", "no published row"),
        ("iphone-16", "coreml", "no published row"),
        ("iphone-15-pro", "coreml", "at most 0.49 ms, as mobilenet_v2_1.0 asks no less"),
    ],
)
def test_rows_of_an_npu_say_nothing_of_a_cpu_or_of_another_phone(
    device: str, runtime: str, reason: str
) -> None:
    assert reason in _refused(device, _small(), "float", runtime)


def test_of_a_network_that_is_larger_than_all_not_even_a_limit_is_said() -> None:
    vgg = network("vgg16", 224)
    assert vgg is not None
    assert "every one of them is smaller in some respect" in _refused("galaxy-s25", vgg, "float")


def test_left_out_rows_take_no_longer_than_what_asks_no_less() -> None:
    """What a refusal says all the same: of nine in ten rows left out, the limit that the others give holds."""
    held = []
    for row in npu_rows():
        others = [
            one
            for one in npu_rows()
            if (one.soc, one.runtime, one.precision) == (row.soc, row.runtime, row.precision)
            and one.architecture != row.architecture
        ]
        least = ceiling(others, row.costs) if row.costs is not None else None
        if least is not None:
            held.append(row.milliseconds <= least[0])
    assert len(held) >= 20
    assert sum(held) / len(held) >= 0.9


def test_brackets_do_not_carry_an_estimate() -> None:
    """The reason for refusing, computed: the middle is far off, and the ends are far apart."""
    found = [(one.row, one.found) for one in leave_one_model_out() if isinstance(one.found, Bracket)]
    off = [abs(band.milliseconds / row.milliseconds - 1) for row, band in found]
    assert statistics.median(off) > 0.4
    assert statistics.median(band.high / band.low for _, band in found) > 5


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
