"""Verdicts on sample streams of known shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.devices.timing import Contention, DeviceState, TimingProtocol, TimingResult
from fer_deploy.measure.validity import judge

PROTOCOL = TimingProtocol(min_runs=300, min_seconds=0.1)


def result(samples: np.ndarray, **more: Any) -> TimingResult:
    return TimingResult(
        runtime_version="1", threads=1, load_ms=1, first_ms=1, samples_ms=tuple(samples.tolist()),
        peak_memory_bytes=None, **more,
    )  # fmt: skip


def steady(count: int = 300, seed: int = 0, noise: float = 0.02) -> np.ndarray:
    return 2.0 * (1 + noise * np.random.default_rng(seed).standard_normal(count).clip(-3, 3))


@given(st.integers(0, 10_000))
def test_steady_noise_is_valid(seed: int) -> None:
    validity = judge(result(steady(seed=seed)), PROTOCOL)
    assert validity.valid, str(validity)
    assert str(validity) == "VALID"


@given(st.floats(0.15, 3))
def test_slowing_down_is_drift(slower: float) -> None:
    samples = steady() * np.linspace(1, 1 + slower, 300)
    validity = judge(result(samples), PROTOCOL)
    assert any(
        reason.startswith("drift: the last third is") and "throttling" in reason
        for reason in validity.reasons
    )


def test_speeding_up_is_drift_too() -> None:
    validity = judge(result(steady() * np.linspace(1.5, 1, 300)), PROTOCOL)
    assert any("faster (not warmed up" in reason for reason in validity.reasons)


def test_single_outliers_do_not_spoil_a_run() -> None:
    samples = steady()
    samples[::50] *= 20
    assert judge(result(samples), PROTOCOL).valid


def test_two_levels_are_unstable() -> None:
    samples = steady()
    samples[::2] *= 2
    validity = judge(result(samples), PROTOCOL)
    assert [reason.partition(":")[0] for reason in validity.reasons] == ["unstable"]


@pytest.mark.parametrize(
    ("samples", "protocol", "reason"),
    [
        (steady(299), PROTOCOL, "too few samples: 299 of 300"),
        (steady(10), TimingProtocol(min_runs=10, min_seconds=0), "too few samples: 10 of 30"),
        (steady(0), PROTOCOL, "too few samples: 0 of 300"),
        (steady(300), TimingProtocol(min_runs=300, min_seconds=5), r"too short: 0.60 s of 5 s"),
        (
            np.zeros(300),
            TimingProtocol(min_runs=300, min_seconds=0),
            "the clock is too coarse: the median is 0",
        ),
    ],
)
def test_too_little(samples: np.ndarray, protocol: TimingProtocol, reason: str) -> None:
    assert judge(result(samples), protocol).reasons == (reason,)


def test_heat_wrong_answers_and_lost_pinning() -> None:
    spoilt = result(
        steady(),
        after=DeviceState(thermal_status=2),
        golden_difference=0.5,
        golden_tolerance=0.25,
        cores=(0, 1),
    )
    validity = judge(spoilt, PROTOCOL.model_copy(update={"cores": (1,)}))
    assert [reason.partition(":")[0] for reason in validity.reasons] == [
        "throttled",
        "wrong answers",
        "not pinned",
    ]
    assert str(validity).startswith("INVALID: throttled: Android's thermal status is 2")


def around(**figures: float | None) -> Contention:
    quiet: dict[str, float | None] = {"wait_share": 0.002, "others_running": 0.05, "steal_share": 0.001}
    missing = {name: "this system does not tell" for name, value in figures.items() if value is None}
    return Contention(processors=4, **{**quiet, **figures}, missing=missing)


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"wait_share": 0.29}, "disturbed: the timing thread waited 29% of the time for a processor"),
        (
            {"others_running": 15.4},
            "busy: on average 15.4 other threads were ready to run on 4 processors (1.5 allowed); stop other work and "
            "time again",
        ),
        ({"steal_share": 0.08}, "the hypervisor took 8% of the processors for other machines"),
    ],
)
def test_what_others_took_spoils_a_timing(figures: dict[str, float], reason: str) -> None:
    assert judge(result(steady(), contention=around(**figures)), PROTOCOL).reasons == (reason,)


def test_a_quiet_machine_and_one_that_does_not_tell() -> None:
    assert judge(result(steady(), contention=around()), PROTOCOL).valid
    unknown = around(wait_share=None, others_running=None, steal_share=None)
    assert judge(result(steady(), contention=unknown), PROTOCOL).valid
    assert judge(result(steady(), contention=None), PROTOCOL).valid


def test_without_a_processor_to_spare_no_other_may_stay() -> None:
    one = around(others_running=0.4).model_copy(update={"processors": 1})
    assert (
        judge(result(steady(), contention=one), PROTOCOL).reasons[0].startswith("busy: on average 0.4 other")
    )
    assert judge(result(steady(), contention=one.model_copy(update={"processors": 2})), PROTOCOL).valid
