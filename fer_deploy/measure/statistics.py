"""Statistics of paired classification outcomes and of latency samples. Intervals are 95 %."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fer_deploy.measure.measurement import Interval

_Z = NormalDist().inv_cdf(0.975)
#: Resamples of the paired bootstrap; the Monte Carlo error of a 95 % bound is then below 0.02 points here.
BOOTSTRAP_RESAMPLES = 4000
#: Bins of the calibration error (Guo et al., ICML 2017).
ECE_BINS = 15


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return row-wise softmax of (N, K), float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponent = np.exp(shifted)
    result: NDArray[np.float64] = exponent / exponent.sum(axis=1, keepdims=True)
    return result


def wilson_interval(successes: int, count: int) -> Interval:
    """Return the Wilson score interval of a proportion (Wilson, 1927); ``count`` must be above zero."""
    share = successes / count
    denominator = 1 + _Z**2 / count
    centre = (share + _Z**2 / (2 * count)) / denominator
    half = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / denominator
    # at 0 and 1 the bound is the proportion itself; rounding would leave it 1e-17 off
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == count else min(1.0, centre + half)
    return Interval(low=low, high=high, method="95 %, Wilson")


def paired_drop_interval(reference: NDArray[np.bool_], other: NDArray[np.bool_], seed: int = 0) -> Interval:
    """Return the paired bootstrap interval of mean(reference) - mean(other), as a fraction.

    Images are resampled, both outcomes of an image together. Only three kinds of image matter (lost,
    gained, same), so resampling is a multinomial draw.
    """
    count = len(reference)
    lost, gained = int((reference & ~other).sum()), int((~reference & other).sum())
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(
        count, [lost / count, gained / count, (count - lost - gained) / count], BOOTSTRAP_RESAMPLES
    )
    drops = (draws[:, 0] - draws[:, 1]) / count
    low, high = np.quantile(drops, [0.025, 0.975])
    return Interval(low=float(low), high=float(high), method="95 %, paired bootstrap")


def mcnemar_exact(reference: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the exact two-sided p-value of McNemar's test on paired outcomes (McNemar, 1947)."""
    lost, gained = int((reference & ~other).sum()), int((~reference & other).sum())
    total = lost + gained
    if total == 0:
        return 1.0
    tail: int = sum(math.comb(total, k) for k in range(min(lost, gained) + 1))
    return min(1.0, 2.0 * float(tail / 2**total))


def expected_calibration_error(logits: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
    """Return the expected calibration error (fraction) over :data:`ECE_BINS` equal-width confidence bins."""
    probabilities = softmax(logits)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    error = 0.0
    for index in range(ECE_BINS):
        inside = bins == index
        if inside.any():
            error += float(inside.mean()) * abs(
                float(confidence[inside].mean()) - float(right[inside].mean())
            )
    return error


def quantile_interval(samples: NDArray[np.float64], quantile: float) -> Interval | None:
    """Return the order-statistic interval of a quantile, or None when there are too few samples for one.

    The number of samples below a quantile is binomial; the bounds are the order statistics at its
    2.5 % and 97.5 % points (Conover, Practical Nonparametric Statistics, 3.2), by normal approximation.
    """
    count = len(samples)
    centre = count * quantile
    half = _Z * math.sqrt(count * quantile * (1 - quantile))
    low, high = math.floor(centre - half), math.ceil(centre + half)
    if low < 0 or high > count - 1:
        return None
    ordered = np.sort(samples)
    return Interval(low=float(ordered[low]), high=float(ordered[high]), method="95 %, order statistics")


def mean_interval(values: Sequence[float]) -> Interval:
    """Return Student's t interval of the mean of at least two independent values (runs with different seeds)."""
    count = len(values)
    centre = math.fsum(values) / count
    spread = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (count - 1))
    half = _student_quantile(count - 1) * spread / math.sqrt(count)
    return Interval(low=centre - half, high=centre + half, method=f"95 %, Student's t over {count} runs")


def _student_quantile(freedom: int) -> float:
    """Return the 97.5 % point of Student's t distribution, by bisection on its integral (Simpson's rule)."""
    scale = math.gamma((freedom + 1) / 2) / (math.sqrt(freedom * math.pi) * math.gamma(freedom / 2))

    def beyond_zero(limit: float, parts: int = 2000) -> float:
        step = limit / parts
        heights = [(1 + (step * index) ** 2 / freedom) ** (-(freedom + 1) / 2) for index in range(parts + 1)]
        weighted = heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
        return float(scale * weighted * step / 3)

    low, high = _Z, 13.0  # the quantile is largest, 12.7, at one degree of freedom
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond_zero(middle) < 0.475 else (low, middle)
    return (low + high) / 2
