"""A slowdown is found and none is imagined: by simulation with the stated chances, and planted on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fer_deploy.devices.timing import PairTiming, TimingProtocol
from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.errors import DeviceError
from fer_deploy.measure.measurement import Provenance, Unit
from fer_deploy.measure.slowdown import (
    FALSE_ALARM,
    LOOKS,
    MISSED,
    Finding,
    ratio_of,
    slowdown_of,
    student_t,
    time_against,
)
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.registry import register, unregister
from fixtures.delayed_target import DelayedTarget, delayed
from fixtures.lowered import Lower

LIMIT = 0.05
TRIALS = 4000


@pytest.mark.parametrize(
    ("share", "freedom", "quantile"),
    # from the table of Abramowitz and Stegun, 26.10
    [(0.95, 1, 6.314), (0.975, 4, 2.776), (0.99, 9, 2.821), (0.995, 10, 3.169), (0.9995, 23, 3.768)],
)
def test_the_quantiles_are_those_of_the_table(share: float, freedom: int, quantile: float) -> None:
    assert student_t(share, freedom) == pytest.approx(quantile, abs=5e-4)


def _finding(logs: np.ndarray) -> Finding:
    """Return what the rounds with these logarithms of ratios come to, looked at as the command does."""
    for look in LOOKS:
        found = slowdown_of(np.exp(logs[:look])).finding(LIMIT)
        if found != "not known":
            return found
    return "not known"


def _shares(true: float, rounds: np.ndarray) -> dict[Finding, float]:
    found = [_finding(np.log1p(true) + row) for row in rounds]
    return {name: found.count(name) / len(found) for name in ("slower", "not slower", "not known")}


def _noise(kind: str, spread: float) -> np.ndarray:
    draw = np.random.default_rng(0)
    shape = (TRIALS, LOOKS[-1])
    if kind == "normal":
        return spread * draw.standard_normal(shape)
    if kind == "heavy tails":
        return spread * draw.standard_t(3, shape)
    # two places in memory for each of two files: what a process happens to get
    return spread * (draw.integers(0, 2, shape) - draw.integers(0, 2, shape))


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "two places"])
@pytest.mark.parametrize("spread", [0.003, 0.01, 0.02])
def test_the_stated_chances_hold(kind: str, spread: float) -> None:
    noise = _noise(kind, spread)
    same, slower = _shares(0, noise), _shares(LIMIT, noise)
    assert same["slower"] <= FALSE_ALARM
    assert slower["not slower"] <= MISSED
    assert slower["slower"] >= 1 - MISSED


def test_a_machine_too_noisy_to_tell_is_not_called_fine() -> None:
    noise = _noise("normal", 0.2)
    for true in (0, LIMIT):
        shares = _shares(true, noise)
        assert shares["not known"] > 0.7
        assert shares["slower"] <= FALSE_ALARM if true == 0 else shares["not slower"] <= MISSED


def test_less_than_half_of_the_limit_is_no_alarm() -> None:
    noise = _noise("normal", 0.003)
    assert _shares(0.01, noise)["not slower"] > 0.99
    assert _shares(-0.2, noise)["not slower"] == 1


def test_the_figure_says_how_it_was_obtained() -> None:
    figure = slowdown_of([1.05, 1.06, 1.04, 1.05]).measurement()
    assert figure.provenance is Provenance.MEASURED
    assert figure.unit is Unit.FRACTION
    assert figure.value == pytest.approx(0.05, abs=0.001)
    assert figure.interval is not None
    assert figure.interval.low < 0.05 < figure.interval.high
    assert "4 processes" in figure.interval.method


def test_pairs_taken_in_turns_are_compared_one_by_one() -> None:
    drifting = np.linspace(1, 3, 100)
    in_turns = PairTiming(first_ms=tuple(drifting), second_ms=tuple(1.1 * drifting), in_turns=True)
    assert ratio_of(in_turns, swapped=False) == pytest.approx(1.1)
    assert ratio_of(in_turns, swapped=True) == pytest.approx(1 / 1.1)
    apart = in_turns.model_copy(update={"in_turns": False, "second_ms": (2.2, 4.4, 2.2)})
    assert ratio_of(apart, swapped=False) == pytest.approx(1.1)


@pytest.fixture
def with_delays() -> Iterator[None]:
    register(DelayedTarget)
    yield
    unregister(DelayedTarget.name)


QUICK = TimingProtocol(warmups=5, min_runs=100, min_seconds=0, max_seconds=10)


@pytest.mark.usefixtures("with_delays")
def test_a_planted_delay_is_found_and_a_copy_is_not_slower(lowered: Lower, tmp_path: Path) -> None:
    """Half as long again, so that a busy machine does not decide; benchmarks/slowdown.py plants 5 %."""
    plain, _ = lowered("onnx", "float")
    earlier, copy, slow = (
        delayed(plain, tmp_path / name, share)
        for name, share in (("earlier", 0.0), ("copy", 0.0), ("slow", 0.5))
    )
    host = HostTransport()
    found = time_against(host, earlier, slow, 0.5, QUICK)
    assert found.finding(0.5) == "slower"
    assert found.low < 0.5 < 2 * found.value
    assert time_against(host, earlier, copy, 0.5, QUICK).finding(0.5) == "not slower"
    assert time_against(host, slow, earlier, 0.5, QUICK).value < -0.15


def test_an_artifact_that_fails_says_so(lowered: Lower, tmp_path: Path) -> None:
    artifact, _ = lowered("onnx", "float")
    gone = Artifact(folder=tmp_path / "gone", info=artifact.info)
    with pytest.raises(DeviceError, match="timing onnx-float beside another one on the host failed"):
        time_against(HostTransport(), artifact, gone, LIMIT, QUICK)
