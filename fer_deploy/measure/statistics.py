"""Statistics of paired classification outcomes and of latency samples. Intervals are 95 %."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from fer_deploy.measure.measurement import Interval
from fer_deploy.targets.prediction import softmax

_Z = NormalDist().inv_cdf(0.975)
#: Bins of the calibration error (Guo et al., ICML 2017).
ECE_BINS = 15
#: A number of test images above which nobody is told how many more it would take.
MOST_IMAGES = 10**9


def wilson_interval(successes: float, count: float) -> Interval:
    """Return the Wilson score interval of a proportion (Wilson, 1927); ``count`` must be above zero."""
    share = successes / count
    denominator = 1 + _Z**2 / count
    centre = (share + _Z**2 / (2 * count)) / denominator
    half = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / denominator
    # at 0 and 1 the bound is the proportion itself; rounding would leave it 1e-17 off
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == count else min(1.0, centre + half)
    return Interval(low=low, high=high, method="95 %, Wilson")


def paired_drop_interval(lost: float, gained: float, count: float, z: float = _Z) -> Interval:
    """Return Tango's score interval of a paired drop, (lost - gained) / count, as a fraction.

    Tango (Statistics in Medicine 17, 1998). Only the discordant images carry information on the drop:
    ``lost`` is right before and wrong after, ``gained`` the other way round. Unlike the bootstrap, the
    interval of two sets of equal answers is not empty: few images without a change prove little.
    ``count`` must be above zero; fractions of images are allowed, for planning.
    """

    def statistic(drop: float) -> float:
        return _drop_statistic(lost, gained, count, drop)

    estimate = (lost - gained) / count
    return Interval(
        low=min(estimate, _crossing(statistic, z, -1.0, estimate)),
        high=max(estimate, _crossing(statistic, -z, estimate, 1.0)),
        method=f"{_level(z)}, Tango's paired score",
    )


def drop_shown(lost: float, gained: float, count: float, budget: float) -> bool:
    """Return whether the upper end of :func:`paired_drop_interval` is at most ``budget``, a fraction, in one step."""
    if (lost - gained) / count >= budget:
        return False
    return _drop_statistic(lost, gained, count, budget) <= -_Z


def _drop_statistic(lost: float, gained: float, count: float, drop: float) -> float:
    """Return Tango's statistic, standard normal where the true drop is ``drop``; it falls with ``drop``."""
    a = 2 * count
    b = -lost - gained + (2 * count - lost + gained) * drop
    c = -gained * drop * (1 - drop)
    gain_rate = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = count * (2 * gain_rate + drop * (1 - drop))
    distance = lost - gained - count * drop
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _crossing(statistic: Callable[[float], float], goal: float, low: float, high: float) -> float:
    """Return where a falling function of (low, high) crosses ``goal``, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        if statistic(middle) > goal:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _level(z: float) -> str:
    return f"{100 * (2 * NormalDist().cdf(z) - 1):.4g} %"


def bonferroni_z(comparisons: int) -> float:
    """Return the normal quantile with which ``comparisons`` intervals hold together at 95 %."""
    return NormalDist().inv_cdf(1 - 0.025 / max(1, comparisons))


def images_for_drop(lost: int, gained: int, count: int, budget: float) -> int | None:
    """Return how many images it takes that a drop at the rates seen is shown to be within ``budget`` (fraction).

    None when the drop itself is not below the budget: then no number of images will show it; and beyond MOST_IMAGES.
    """
    if (lost - gained) / count >= budget:
        return None

    def shown(images: int) -> bool:
        share = images / count
        return drop_shown(lost * share, gained * share, images, budget)

    return _least(shown)


def images_for_share(successes: int, count: int, least: float) -> int | None:
    """Return how many images it takes that a share at the rate seen is shown to be at least ``least`` (fraction).

    None when the share itself is not above it, and beyond MOST_IMAGES.
    """
    if successes / count <= least:
        return None
    return _least(lambda images: wilson_interval(successes / count * images, images).low >= least)


def _least(holds: Callable[[int], bool]) -> int | None:
    """Return the least number from 1 for which a rule holds that, once true, stays true; None beyond MOST_IMAGES."""
    high = 1
    while not holds(high):
        high *= 2
        if high > MOST_IMAGES:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def mcnemar_exact(lost: int, gained: int) -> float:
    """Return the exact two-sided p-value of McNemar's test on the discordant pairs (McNemar, 1947)."""
    total = lost + gained
    if total == 0:
        return 1.0
    tail: int = sum(math.comb(total, k) for k in range(min(lost, gained) + 1))
    return min(1.0, 2.0 * float(tail / 2**total))


@dataclass(frozen=True)
class Reliability:
    """One bin of the reliability diagram: its images, their mean confidence and their accuracy."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def reliability(
    logits: NDArray[np.float32], targets: NDArray[np.int64], temperature: float = 1.0
) -> tuple[Reliability, ...]:
    """Return the non-empty ones of :data:`ECE_BINS` equal-width confidence bins of logits (N, K)."""
    probabilities = softmax(logits, temperature)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    return tuple(
        Reliability(
            low=index / ECE_BINS,
            high=(index + 1) / ECE_BINS,
            images=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )
        for index in range(ECE_BINS)
        if (inside := bins == index).any()
    )


def expected_calibration_error(bins: tuple[Reliability, ...]) -> float:
    """Return the expected calibration error (fraction) of reliability bins; there must be an image."""
    total = sum(one.images for one in bins)
    return sum(one.images / total * abs(one.confidence - one.accuracy) for one in bins)


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


def share_interval(shares: NDArray[np.float64]) -> Interval | None:
    """Return the normal interval of the mean of shares 0..1, one an image; None of a single one."""
    if len(shares) < 2:
        return None
    half = _Z * float(shares.std(ddof=1)) / math.sqrt(len(shares))
    centre = float(shares.mean())
    return Interval(
        low=max(0.0, centre - half), high=min(1.0, centre + half), method=f"{_level(_Z)}, normal over images"
    )


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
