from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_deploy.measure.statistics import (
    drop_shown,
    expected_calibration_error,
    images_for_drop,
    images_for_share,
    mcnemar_exact,
    mean_interval,
    paired_drop_interval,
    quantile_interval,
    reliability,
    wilson_interval,
)
from fer_deploy.targets.prediction import softmax


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_published_values(successes: int, count: int, low: float, high: float) -> None:
    interval = wilson_interval(successes, count)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@given(count=st.integers(1, 10_000), share=st.floats(0, 1))
def test_wilson_holds_the_share_and_is_symmetric(count: int, share: float) -> None:
    successes = round(count * share)
    interval, mirrored = wilson_interval(successes, count), wilson_interval(count - successes, count)
    assert 0 <= interval.low <= successes / count <= interval.high <= 1
    assert interval.low == pytest.approx(1 - mirrored.high, abs=1e-12)
    assert interval.high - interval.low <= wilson_interval(1, 2).high  # never wider than almost nothing known


@pytest.mark.parametrize(
    ("lost", "gained", "expected"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 2**5),
        (8, 2, 2 * (1 + 10 + 45) / 2**10),
        (2, 8, 2 * (1 + 10 + 45) / 2**10),
        (6, 6, 1.0),
        (10, 11, 1.0),
    ],
)
def test_mcnemar_closed_form(lost: int, gained: int, expected: float) -> None:
    assert mcnemar_exact(lost, gained) == pytest.approx(expected)


def test_mcnemar_of_many_flips_agrees_with_the_normal_approximation() -> None:
    lost, gained = 1060, 940
    z = (abs(lost - gained) - 1) / math.sqrt(lost + gained)
    p = mcnemar_exact(lost, gained)
    assert p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.02)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.9, 0.9, 0.9, 0.6])
    logits = np.stack([np.log(confidence), np.log(1 - confidence)], axis=1).astype(np.float32)
    targets = np.array([0, 0, 1, 1])  # right, right, wrong; wrong
    # bin of 0.9: 3 of 4 images, accuracy 2/3; bin of 0.6: 1 of 4, accuracy 0
    assert expected_calibration_error(reliability(logits, targets)) == pytest.approx(
        0.75 * (0.9 - 2 / 3) + 0.25 * 0.6, abs=1e-6
    )


def test_calibration_error_at_the_ends() -> None:
    sure = np.array([[100.0, 0.0], [0.0, 100.0]], dtype=np.float32)
    assert expected_calibration_error(reliability(sure, np.array([0, 1]))) == pytest.approx(0, abs=1e-9)
    assert expected_calibration_error(reliability(sure, np.array([1, 0]))) == pytest.approx(1, abs=1e-9)


@given(hnp.arrays(np.float32, (4, 5), elements=st.floats(-1e4, 1e4, width=32)))
def test_softmax(logits: np.ndarray) -> None:
    probabilities = softmax(logits)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    top = np.take_along_axis(probabilities, logits.argmax(axis=1)[:, None], axis=1)
    assert (top[:, 0] == probabilities.max(axis=1)).all()


@settings(max_examples=60)
@given(
    samples=hnp.arrays(np.float64, st.integers(1, 400), elements=st.floats(0, 1e3)),
    quantile=st.floats(0.01, 0.99),
)
def test_quantile_interval_holds_the_quantile(samples: np.ndarray, quantile: float) -> None:
    interval = quantile_interval(samples, quantile)
    if interval is not None:
        assert interval.low <= np.quantile(samples, quantile) <= interval.high
        assert {interval.low, interval.high} <= set(samples.tolist())


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95])
def test_quantile_interval_covers_nineteen_times_in_twenty(quantile: float) -> None:
    generator = np.random.default_rng(11)
    true, runs, covered = -math.log(1 - quantile), 1500, 0
    for _ in range(runs):
        interval = quantile_interval(generator.exponential(size=300), quantile)
        assert interval is not None
        covered += interval.low <= true <= interval.high
    # order statistics are discrete: at least the promised 95 %, less three standard errors
    assert 0.933 <= covered / runs <= 0.985


def test_too_few_samples_for_an_interval() -> None:
    assert quantile_interval(np.arange(10, dtype=np.float64), 0.99) is None
    assert quantile_interval(np.arange(300, dtype=np.float64), 0.99) is None
    assert quantile_interval(np.arange(1000, dtype=np.float64), 0.99) is not None


@pytest.mark.parametrize(
    ("count", "quantile"),
    # Student's 97.5 % points at count - 1 degrees of freedom, from any printed table
    [(2, 12.706), (3, 4.3027), (4, 3.1824), (10, 2.2622), (101, 1.9840)],
)
def test_mean_interval_is_student_s(count: int, quantile: float) -> None:
    values = np.random.default_rng(count).normal(0.8, 0.01, count).tolist()
    found = mean_interval(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(count)
    assert (found.high + found.low) / 2 == pytest.approx(float(np.mean(values)))
    assert (found.high - found.low) / 2 == pytest.approx(quantile * error, rel=1e-4)


def test_mean_interval_of_equal_values_is_a_point() -> None:
    found = mean_interval([0.25, 0.25, 0.25])
    assert (found.low, found.high) == (0.25, 0.25)


def test_a_number_of_images_beyond_all_reason_is_none() -> None:
    assert images_for_drop(0, 0, 700, 1e-47) is None
    assert images_for_share(700, 700, 1 - 1e-15) is None


@settings(max_examples=300)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(80, 2000), st.floats(0.0005, 0.2))
def test_a_shown_drop_is_one_whose_interval_ends_within(
    lost: int, gained: int, count: int, budget: float
) -> None:
    high = paired_drop_interval(lost, gained, count).high
    if abs(high - budget) > 1e-9:
        assert drop_shown(lost, gained, count, budget) is (high <= budget)
