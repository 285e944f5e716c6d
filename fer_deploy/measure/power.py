"""How many test images a limit needs, and how small a drop a test set can show: reckoned before any run.

Everything here is about an artifact that is as good as the float model: of the images whose answer is right for one of
the two only, as many are gained as lost. What has to be assumed is how many such images there are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from statistics import NormalDist

from fer_deploy.measure.statistics import MOST_IMAGES, drop_shown, wilson_interval

#: Chance to pass that plans and reports are made for, a fraction.
CHANCE = 0.9
#: Binomials of more trials than this are taken for normal ones, with the correction for continuity.
_NORMAL_FROM = 2000
#: Numbers of changed images at which a chance is worked out: steps over six standard deviations to either side.
_STEPS = 60


def drop_chance(images: int, changed: float, budget: float) -> float:
    """Return the chance (fraction) that an artifact as good as the float model passes a limit on the drop.

    Args:
        images: of the test set.
        changed: share of the images that only one of the two gets right.
        budget: the limit, a fraction.
    """
    return _over_changed(images, changed, lambda count: _most_lost(count, images, budget))


@functools.cache
def images_for_drop_limit(budget: float, changed: float, chance: float = CHANCE) -> int | None:
    """Return from how many images on :func:`drop_chance` is at least ``chance``; None beyond MOST_IMAGES."""
    return _settled(lambda images: drop_chance(images, changed, budget) >= chance) if budget > 0 else None


@functools.cache
def smallest_drop(images: int, changed: float, chance: float = CHANCE) -> float:
    """Return the smallest limit on the drop (fraction) of which :func:`drop_chance` is at least ``chance``."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if drop_chance(images, changed, middle) >= chance else (middle, high)
    return high


@functools.cache
def images_for_flip_limit(limit: float, flips: float, chance: float = CHANCE) -> int | None:
    """Return from how many images on a share of ``flips`` is shown to be at most ``limit`` with that chance."""

    def passes(images: int) -> bool:
        most = _largest(lambda count: wilson_interval(images - count, images).low >= 1 - limit, images)
        return most >= 0 and _at_most(most, images, flips) >= chance

    return _settled(passes) if flips < limit else None


def images_per_class(limit: float, changed: float, classes: int, chance: float = CHANCE) -> int | None:
    """Return from how many images of each class on the drop of the worst one is within ``limit`` with that chance.

    The worst class is held to its value, so that one image more or less decides where classes are small.
    """

    def passes(images: int) -> bool:
        most = math.floor(limit * images + 1e-9)
        one = _over_changed(images, changed, lambda count: min(count, (count + most) // 2))
        return one**classes >= chance

    return _settled(passes) if limit > 0 else None


def _over_changed(images: int, changed: float, most_lost: Callable[[int], int]) -> float:
    """Return the chance that no more are lost than ``most_lost`` says of so many images right for one only."""
    if changed <= 0:
        return float(most_lost(0) >= 0)
    spread = math.sqrt(images * changed * (1 - changed))
    first = max(0, math.floor(images * changed - 6 * spread))
    last = min(images, math.ceil(images * changed + 6 * spread))
    counts = range(first, last + 1, max(1, (last - first) // _STEPS))
    weights = [math.exp(_log_binomial(count, images, changed)) for count in counts]
    passing = (
        weight * _at_most(most_lost(count), count, 0.5) for count, weight in zip(counts, weights, strict=True)
    )
    return sum(passing) / sum(weights)


def _most_lost(count: int, images: int, budget: float) -> int:
    return _largest(lambda lost: drop_shown(lost, count - lost, images, budget), count)


def _largest(holds: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to ``most`` for which a rule holds that, once false, stays false; -1: for none."""
    low, high = -1, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _settled(holds: Callable[[int], bool]) -> int | None:
    """Return the number from which on a rule holds, looked for between powers of two; None beyond MOST_IMAGES.

    A rule may hold for a few images by luck, fail, and hold again: the last failure counts.
    """
    powers: list[int] = [2**exponent for exponent in range(MOST_IMAGES.bit_length())]
    # what no rule of this module needs is not looked at
    limit = next(
        (index for index, images in enumerate(powers) if images > 4 and _steady(holds, images)), None
    )
    if limit is None:
        return None
    high = powers[limit]
    low = next((images for images in reversed(powers[:limit]) if not holds(images)), 0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _steady(holds: Callable[[int], bool], images: int) -> bool:
    """Return whether a rule holds at a number, its double and its fourfold."""
    return all(holds(images * factor) for factor in (1, 2, 4))


def _at_most(most: int, trials: int, rate: float) -> float:
    """Return the binomial chance of at most ``most`` hits."""
    if most < 0:
        return 0.0
    if most >= trials:
        return 1.0
    if trials > _NORMAL_FROM and trials * min(rate, 1 - rate) > 50:
        spread = math.sqrt(trials * rate * (1 - rate))
        return NormalDist().cdf((most + 0.5 - trials * rate) / spread)
    if rate <= 0:
        return 1.0
    return min(1.0, math.fsum(math.exp(_log_binomial(hits, trials, rate)) for hits in range(most + 1)))


def _log_binomial(hits: int, trials: int, rate: float) -> float:
    if rate >= 1:
        return 0.0 if hits == trials else -math.inf
    return (
        math.lgamma(trials + 1)
        - math.lgamma(hits + 1)
        - math.lgamma(trials - hits + 1)
        + hits * math.log(rate)
        + (trials - hits) * math.log1p(-rate)
    )
