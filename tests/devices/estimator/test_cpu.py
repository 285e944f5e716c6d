"""The CPU estimator: rules that must hold for any network, and what it answers and refuses."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_deploy.devices.estimator.builder import Builder
from fer_deploy.devices.estimator.cpu import Point, Query, fit_cpu, query_of
from fer_deploy.devices.estimator.estimate import (
    CPU_RUNTIMES,
    Estimate,
    calibrated_cpu,
    estimate_latency,
)
from fer_deploy.devices.estimator.learn import calibrated_bands
from fer_deploy.devices.estimator.left_out import by_architecture, leave_out
from fer_deploy.devices.estimator.networks import network
from fer_deploy.devices.estimator.reach import ENOUGH_NETWORKS
from fer_deploy.devices.estimator.rows import Precision, calibration_rows
from fer_deploy.devices.estimator.terms import solve
from fer_deploy.devices.estimator.workload import PRIOR, TERMS, workload
from fer_deploy.devices.profile import load_profile, load_profiles
from fer_deploy.devices.profile_schema import CoreCluster, DeviceProfile
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.costs import GraphCosts, Kind, Op

_ROWS = calibration_rows()
_QUERIES = sorted({query_of(row) for row in _ROWS}, key=str)


@st.composite
def networks(draw: st.DrawFn) -> GraphCosts:
    """Networks of plausible layers; not all are within the calibrated range."""
    net = Builder("drawn", draw(st.integers(16, 256)), draw(st.sampled_from((1, 3))))
    for _ in range(draw(st.integers(1, 24))):
        match draw(st.sampled_from(("conv", "pointwise", "depthwise", "pool", "elementwise"))):
            case "conv":
                net.conv(draw(st.integers(4, 256)), draw(st.sampled_from((3, 5))), draw(st.integers(1, 2)))
            case "pointwise":
                net.conv(draw(st.integers(4, 512)))
            case "depthwise":
                net.depthwise(3, draw(st.integers(1, 2)))
            case "pool":
                net.pool(2, 2)
            case _:
                net.elementwise(2)
    return net.linear(8).done()


def _more(costs: GraphCosts, index: int, factor: float) -> GraphCosts:
    """Return the network with one operator asking ``factor`` times as much."""
    op = costs.ops[index % len(costs.ops)]
    scaled = Op(
        op.kind,
        math.ceil(op.macs * factor),
        math.ceil(op.weights * factor),
        math.ceil(op.inputs * factor),
        math.ceil(op.outputs * factor),
        op.kernel,
        op.stride,
    )
    ops = [scaled if one is op else one for one in costs.ops]
    return dataclasses.replace(costs, ops=tuple(ops))


@settings(max_examples=40)
@given(networks(), st.integers(0, 100), st.floats(1.0, 4.0), st.sampled_from(_QUERIES))
def test_more_work_is_never_faster(costs: GraphCosts, index: int, factor: float, query: Query) -> None:
    less = calibrated_cpu().predict(costs, query)
    more = calibrated_cpu().predict(_more(costs, index, factor), query)
    if isinstance(less, Point) and isinstance(more, Point):
        assert more.milliseconds >= less.milliseconds * (1 - 1e-9)


@settings(max_examples=40)
@given(networks(), st.sampled_from(_QUERIES))
def test_one_more_operator_is_never_faster(costs: GraphCosts, query: Query) -> None:
    less = calibrated_cpu().predict(costs, query)
    longer = dataclasses.replace(costs, ops=(*costs.ops, Op("elementwise", 0, 0, 10, 10)))
    more = calibrated_cpu().predict(longer, query)
    if isinstance(less, Point) and isinstance(more, Point):
        assert more.milliseconds >= less.milliseconds


@settings(max_examples=40)
@given(
    networks(),
    st.sampled_from(load_profiles()),
    st.sampled_from(("float", "int8")),
    st.sampled_from((*CPU_RUNTIMES, "onnx", "nonsense")),
    st.integers(-1, 12),
)
def test_a_band_holds_its_point_or_a_reason_is_given(
    costs: GraphCosts, profile: DeviceProfile, precision: Precision, runtime: str, threads: int
) -> None:
    found = estimate_latency(profile, costs, precision, runtime, threads)
    if isinstance(found, Unknown):
        assert len(found.reason) > 10
        return
    assert 0 < found.low < found.milliseconds < found.high
    assert found.citations
    assert found.rows > 0
    assert all("@" in citation for citation in found.citations)
    assert runtime in CPU_RUNTIMES


@settings(max_examples=40)
@given(st.integers(1, 60))
def test_networks_out_of_range_are_refused(millions: int) -> None:
    reach = calibrated_cpu().reach
    pi = load_profile("raspberry-pi-4")
    low, high = reach.macs[0] / reach.tried[0], reach.macs[1] * reach.tried[1]
    for macs in (low / (1 + millions / 10), high * (1 + millions / 10)):
        costs = GraphCosts("odd one", (Op("pointwise", int(macs), 1000, 1000, 1000),))
        found = estimate_latency(pi, costs, "float", "xnnpack", 4)
        assert isinstance(found, Unknown)
        assert "odd one has" in found.reason
        assert "calibrated for" in found.reason


def _some() -> GraphCosts:
    return _ROWS[0].costs


def test_more_reasons_to_refuse() -> None:
    pi, pixel = load_profile("raspberry-pi-4"), load_profile("pixel-8")
    for profile, runtime, threads, reason in (
        (pi, "onnx", 1, "no published row was measured with onnx"),
        (load_profile("host"), "executorch", 1, "does not say which cores"),
        (
            load_profile("iphone-15"),
            "executorch",
            1,
            "no calibration row was measured on Apple Everest cores",
        ),
        (load_profile("galaxy-s25"), "executorch", 1, "Oryon"),
        (pixel, "executorch", 40, "40 threads on 9 cores"),
        (pixel, "executorch", 0, "0 threads"),
    ):
        found = estimate_latency(profile, _some(), "float", runtime, threads)
        assert isinstance(found, Unknown)
        assert reason in found.reason


def test_few_networks_under_the_same_conditions_are_not_trusted_more_than_the_device() -> None:
    """Snapdragon 660's int8 rows are of two networks; leaving one out, the other was up to 1.6 times off."""
    row = next(one for one in _ROWS if one.device.family == "snapdragon-660" and one.precision == "int8")
    point = calibrated_cpu().predict(row.costs, query_of(row))
    assert isinstance(point, Point)
    assert (point.basis, point.networks, point.band_basis) == ("same conditions", 2, "same device")
    assert "only 2 networks were measured" in point.weakness
    bands = calibrated_bands()
    assert bands.width_of(point, "int8") == bands.width("same device", "int8")
    many = next(one for one in _ROWS if one.device.family == "snapdragon-660" and one.precision == "float")
    trusted = calibrated_cpu().predict(many.costs, query_of(many))
    assert isinstance(trusted, Point)
    assert trusted.networks >= ENOUGH_NETWORKS
    assert bands.width_of(trusted, "float") == bands.width("same conditions", "float")


@pytest.mark.parametrize("kind", ["linear", "depthwise", "grouped", "conv"])
def test_a_network_of_kernels_that_rows_say_little_about_is_refused(kind: Kind) -> None:
    costs = GraphCosts("odd mix", (Op(kind, 300_000_000, 1_000_000, 1_000, 1_000, kernel=5),))
    found = estimate_latency(load_profile("raspberry-pi-4"), costs, "float", "xnnpack", 4)
    assert isinstance(found, Unknown)
    assert f"100 % of the work of odd mix is {kind}" in found.reason


def test_every_calibration_network_is_within_the_range() -> None:
    for row in _ROWS:
        assert isinstance(calibrated_cpu().predict(row.costs, query_of(row)), Point)


@pytest.mark.parametrize("side", [96, 100, 160, 225, 333])
def test_odd_resolutions_grow_with_their_multiplications(side: int) -> None:
    costs = network("mobilenet_v2_1.0", side)
    known = network("mobilenet_v2_1.0", 224)
    assert costs is not None
    assert known is not None
    pi = load_profile("raspberry-pi-4")
    for threads in (1, 3, 4):
        odd, usual = (estimate_latency(pi, one, "float", "xnnpack", threads) for one in (costs, known))
        assert isinstance(odd, Estimate)
        assert isinstance(usual, Estimate)
        ratio = odd.milliseconds / usual.milliseconds
        assert ratio == pytest.approx(costs.macs / known.macs, rel=0.3)


def test_a_clock_out_of_range_is_refused() -> None:
    fast = CoreCluster(count=4, microarchitecture="Cortex-X1", max_ghz=6.0, features=("dotprod",))
    found = calibrated_cpu().predict(_some(), Query((fast,), "XNNPACK", "float", 1))
    assert isinstance(found, Unknown)
    assert "outside of the calibrated range" in found.reason


def test_basis_follows_the_rows() -> None:
    pi = load_profile("raspberry-pi-4")
    same = estimate_latency(pi, _some(), "float", "xnnpack", 4)
    device = estimate_latency(pi, _some(), "float", "xnnpack", 2)
    other = estimate_latency(load_profile("raspberry-pi-5"), _some(), "float", "xnnpack", 4)
    assert isinstance(same, Estimate)
    assert isinstance(device, Estimate)
    assert isinstance(other, Estimate)
    assert (same.basis, device.basis, other.basis) == ("same conditions", "same device", "other devices")
    assert same.high / same.low < device.high / device.low < other.high / other.low
    assert same.milliseconds < device.milliseconds, "four threads are faster than two"
    borrowed = estimate_latency(pi, _some(), "int8", "executorch", 4)
    assert isinstance(borrowed, Estimate)
    assert any("TFLite" in note for note in borrowed.notes)


def test_rows_are_reproduced() -> None:
    """A model that has seen the rows is near them: a slip in units or in a layer table would show."""
    model = fit_cpu(_ROWS)
    errors = []
    for row in _ROWS:
        point = model.predict(row.costs, query_of(row))
        assert isinstance(point, Point)
        assert point.basis == "same conditions"
        errors.append(abs(math.log(point.milliseconds / row.milliseconds)))
    assert float(np.median(errors)) < 0.1


def test_leaving_one_model_out_is_within_the_target() -> None:
    errors = [abs(math.exp(one.log_error) - 1) for one in leave_out(_ROWS, by_architecture)]
    assert len(errors) > 0.95 * len(_ROWS)
    assert float(np.median(errors)) <= 0.20


@given(st.lists(st.floats(0.01, 5), min_size=len(TERMS), max_size=len(TERMS)))
def test_terms_are_found_again(truth: list[float]) -> None:
    """Noise-free rows give their terms back, where the pull to the prior is weak."""
    generator = np.random.default_rng(0)
    amounts = generator.uniform(0.1, 10, (60, len(TERMS)))
    found = solve(amounts, amounts @ np.array(truth), PRIOR, 1e-9)
    np.testing.assert_allclose(found, truth, rtol=1e-3, atol=1e-4)
    assert (found >= 0).all()


def test_threads_do_not_divide_an_operators_fixed_cost() -> None:
    costs = GraphCosts("both", (Op("pointwise", 10_000_000, 10, 10, 10), Op("elementwise", 0, 0, 1000, 1000)))
    one, four = workload(costs), workload(costs, threads=4)
    changed = {term: after / before for term, before, after in zip(TERMS, one, four, strict=True) if before}
    assert changed == pytest.approx({"pointwise": 1.0, "elementwise": 2.0, "dispatch": 4.0})
    in_int8 = workload(costs, threads=4, precision="int8")
    assert in_int8[TERMS.index("elementwise")] == pytest.approx(4 * one[TERMS.index("elementwise")])


def test_a_small_network_gains_less_from_threads() -> None:
    """Its operators' fixed costs are more of it."""
    small, large = network("mobilenet_v1_0.25", 128), network("resnet50", 224)
    assert small is not None
    assert large is not None
    gain = {}
    for costs in (small, large):
        one, four = (
            estimate_latency(load_profile("raspberry-pi-5"), costs, "int8", "ncnn", n) for n in (1, 4)
        )
        assert isinstance(one, Estimate)
        assert isinstance(four, Estimate)
        gain[costs.name] = one.milliseconds / four.milliseconds
    assert 1 < gain[small.name] < gain[large.name] < 4


def test_cores_without_rows_are_a_basis_of_their_own() -> None:
    wide, narrow = (
        estimate_latency(load_profile(name), _some(), "float", "ncnn", 4) for name in ("pixel-8", "pixel-6")
    )
    assert isinstance(wide, Estimate)
    assert isinstance(narrow, Estimate)
    assert (wide.basis, narrow.basis) == ("other cores", "other devices")
    assert wide.high / wide.low >= narrow.high / narrow.low
    assert any("no row was measured on Cortex-X3 cores" in note for note in wide.notes)
    assert wide.rows > narrow.rows


def test_kernels_taken_from_another_library_have_the_band_of_rows_further_away() -> None:
    """XNNPACK's int8 on a Raspberry Pi 4 was 2.2 times faster than TFLite's shape said: outside the device's band."""
    pi = load_profile("raspberry-pi-4")
    borrowed = estimate_latency(pi, _some(), "int8", "executorch", 4)
    assert isinstance(borrowed, Estimate)
    assert borrowed.basis == "same device"
    width = calibrated_bands().width("other devices", "int8")
    assert math.log(borrowed.high / borrowed.milliseconds) == pytest.approx(width)
    assert any(note.startswith("wider band (x") and "TFLite" in note for note in borrowed.notes)


def test_workload_is_a_roofline() -> None:
    computes = GraphCosts("computes", (Op("pointwise", 10_000_000, 10, 10, 10),))
    moves = GraphCosts("moves", (Op("pointwise", 10, 500_000, 250_000, 500_000),))
    term = TERMS.index("pointwise")
    assert workload(computes)[term] == pytest.approx(10.0)
    assert workload(moves)[term] == pytest.approx(8 * 1.25)
