"""How far beyond the rows' networks an estimate reaches, by rules that the rows themselves give."""

from __future__ import annotations

import dataclasses
import math
import statistics
from pathlib import Path

import pytest

from fer_deploy.devices.estimator.cpu import Point, query_of
from fer_deploy.devices.estimator.estimate import Estimate, calibrated_cpu, estimate_latency
from fer_deploy.devices.estimator.learn import calibrated_bands
from fer_deploy.devices.estimator.networks import network
from fer_deploy.devices.estimator.reach import ENOUGH_NETWORKS, reach_of, tried
from fer_deploy.devices.estimator.rows import Precision, calibration_rows
from fer_deploy.devices.profile import load_profile
from fer_deploy.quantize.costs import GraphCosts

_ROOT = Path(__file__).resolve().parents[3]
_ROWS = calibration_rows()


def _scaled(costs: GraphCosts, factor: float) -> GraphCosts:
    def times(value: int) -> int:
        return round(value * factor)

    ops = (
        dataclasses.replace(op, macs=times(op.macs), inputs=times(op.inputs), outputs=times(op.outputs))
        for op in costs.ops
    )
    return GraphCosts("scaled", tuple(ops))


def _log_width(
    device: str, costs: GraphCosts, runtime: str = "ncnn", precision: Precision = "float"
) -> float:
    found = estimate_latency(load_profile(device), costs, precision, runtime, 4)
    assert isinstance(found, Estimate)
    return math.log(found.high / found.milliseconds)


def test_enough_left_out_architectures_tried_the_range() -> None:
    down, up = tried(_ROWS)
    middle = statistics.median(row.macs for row in _ROWS)
    for side, ratio in ((-1, down), (1, up)):
        beyond = {
            row.architecture
            for row in _ROWS
            if (math.log(row.macs / middle) * side) >= math.log(ratio) - 1e-9
        }
        assert len(beyond) == ENOUGH_NETWORKS
    assert reach_of(_ROWS).tried == (down, up)


@pytest.mark.parametrize("device", ["raspberry-pi-5", "pixel-6", "pixel-8", "raspberry-pi-4"])
@pytest.mark.parametrize("factor", [1 / 4, 1 / 2, 2, 3])
def test_beyond_the_rows_the_band_is_wider_on_every_device(device: str, factor: float) -> None:
    """It was the same on a device without rows, though the estimate said "wider band"."""
    sizes = sorted((row for row in _ROWS if row.runtime == "ncnn"), key=lambda row: row.macs)
    costs = sizes[0 if factor < 1 else -1].costs
    inside, beyond = _log_width(device, costs), _log_width(device, _scaled(costs, factor))
    slope = next(one.log_per_distance for one in calibrated_bands().growth if one.smaller == (factor < 1))
    assert slope > 0
    assert beyond >= inside + slope * abs(math.log(factor)) * 0.99
    found = estimate_latency(load_profile(device), _scaled(costs, factor), "float", "ncnn", 4)
    assert isinstance(found, Estimate)
    relation = "smaller" if factor < 1 else "larger"
    assert any(
        note.startswith("wider band (x") and f"scaled is {relation} than every network of ncnn" in note
        for note in found.notes
    )


def test_the_further_beyond_the_wider() -> None:
    small = min((row for row in _ROWS if row.runtime == "ncnn"), key=lambda row: row.macs).costs
    widths = [_log_width("pixel-8", _scaled(small, factor)) for factor in (1.0, 0.7, 0.4, 0.2, 0.1)]
    assert widths == sorted(set(widths))


def test_a_family_reaches_as_far_as_its_own_rows() -> None:
    """XNNPACK's rows are of networks of 217 M and more; that TFLite's go down to 14 M does not narrow its band."""
    small = network("mobilenet_v1_0.25", 224)
    assert small is not None
    reach = calibrated_cpu().reach
    far, why = reach.beyond(small, ("XNNPACK", "float"))
    assert far == pytest.approx(math.log(small.macs / reach.families[("XNNPACK", "float")][0]))
    assert "smaller than every network of XNNPACK in float's rows" in why
    assert reach.beyond(small, ("TFLite", "float")) == (0.0, "")


def test_within_the_rows_nothing_widens() -> None:
    for row in _ROWS:
        point = calibrated_cpu().predict(row.costs, query_of(row))
        assert isinstance(point, Point)
        assert point.distance == 0
        assert not point.beyond


@pytest.mark.parametrize("name", ["fer_xs", "fer_s", "fer_m"])
def test_the_shipped_networks_are_answered(name: str) -> None:
    """fer_xs was refused by 3 %."""
    from fer_deploy.model.load import load_model
    from fer_deploy.quantize.costs import graph_costs
    from fer_deploy.quantize.ptq import float_graph

    costs = graph_costs(float_graph(load_model(_ROOT / "models" / name)))
    if name == "fer_xs":
        assert costs.macs / 1e6 == pytest.approx(6.0, abs=0.05)
    precisions: tuple[Precision, ...] = ("float", "int8")
    for precision in precisions:
        for device in ("pixel-6", "pixel-8", "galaxy-s24", "raspberry-pi-4", "raspberry-pi-5"):
            assert _log_width(device, costs, "executorch", precision) > 0
