from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.experiments.search_cost import CandidateCost, candidate_cost
from fer_deploy.experiments.search_schema import OPTIONS, Candidate, SearchSpec
from fer_deploy.measure.measurement import Provenance, Unit, measured
from fixtures.searching import played_spec
from fixtures.synthetic import separable_faces


def point(spec: SearchSpec, width: float, size: int) -> Candidate:
    values = {option: spec.space.values(option)[0] for option in OPTIONS}
    return spec.space.candidate(values | {"width": width, "size": size})


def test_an_estimate_for_the_device_that_is_asked_about(tmp_path: Path) -> None:
    spec = played_spec(estimate={"profile": "pixel-8"})
    small, large = (
        candidate_cost(spec, candidate, separable_faces(8, 0), tmp_path)
        for candidate in (point(spec, 4.0, 48), point(spec, 4.0, 64))
    )
    assert small.estimate is not None
    assert large.estimate is not None
    assert small.estimate.provenance == Provenance.ESTIMATED
    assert (small.estimate.value or 0) < (large.estimate.value or 0)
    assert small.latency is None
    assert not list(tmp_path.iterdir())


def test_without_a_device_nothing_is_estimated(tmp_path: Path) -> None:
    spec = played_spec()
    cost = candidate_cost(spec, point(spec, 0.25, 16), separable_faces(8, 0), tmp_path)
    assert cost.estimate is None
    assert set(cost.excess(spec)) == {"parameters", "macs"}


def test_a_network_that_is_too_small_for_an_estimate_is_not_trained(tmp_path: Path) -> None:
    spec = played_spec(estimate={"profile": "pixel-8"})
    cost = candidate_cost(spec, point(spec, 0.25, 16), separable_faces(8, 0), tmp_path)
    assert cost.estimate is not None
    assert "the estimator is calibrated for" in (cost.estimate.reason or "")
    assert cost.excess(spec)["no estimate"] > 0


def test_excess_is_the_share_of_the_limit_above_it() -> None:
    cost = CandidateCost(
        parameters=measured(150, Unit.COUNT),
        macs=measured(50, Unit.COUNT),
        estimate=measured(3.0, Unit.MILLISECONDS),
    )
    spec = played_spec(
        limits={"parameters": 100, "macs": 100, "estimate_ms": 2.0}, estimate={"profile": "pixel-8"}
    )
    assert cost.excess(spec) == pytest.approx({"parameters": 0.5, "macs": -0.5, "estimate_ms": 0.5})
