"""Is an artifact slower than an earlier one? Both timed beside each other, on one machine, in several processes.

What is compared is the ratio of two times taken a moment apart. Within a process it is known to a fraction of a per
cent; from process to process it differs by more (where in memory weights come to lie), also between two copies of one
file. So a round is one fresh process with both, and what is known of the slowdown comes from the rounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal

import numpy as np
from pydantic import Field

from fer_deploy.devices.timing import PairTiming, TimingProtocol
from fer_deploy.devices.transports.base import Transport
from fer_deploy.frozen import Frozen
from fer_deploy.measure.measurement import Interval, Measurement, Unit, measured
from fer_deploy.progress import track
from fer_deploy.targets.artifact import Artifact

#: Chance of an alarm where nothing is slower, and of passing what is slower by the limit.
FALSE_ALARM, MISSED = 0.01, 0.05
#: Rounds after which the answer may be clear. A quiet machine needs the first, a noisy one all.
LOOKS = (6, 12, 24)
#: One round: each artifact is timed so many times and so long.
ROUND = TimingProtocol(warmups=20, min_runs=200, min_seconds=0.5, max_seconds=5)

Finding = Literal["slower", "not slower", "not known"]


class Slowdown(Frozen):
    """How much slower an artifact is than an earlier one, 0.05 for 5 %.

    ``low`` is above zero with a chance of at most :data:`FALSE_ALARM` when nothing is slower; a true slowdown is above
    ``high`` with a chance of at most :data:`MISSED`. Both hold over all looks together.
    """

    value: float = Field(description="mean over the rounds, of logarithms")
    low: float
    high: float
    rounds: int = Field(ge=2)

    def finding(self, limit: float) -> Finding:
        """Return whether it is slower by a limit, such as 0.05.

        Slower: it is beyond chance, and nearer to the limit than to nothing. A true slowdown of the limit is called
        slower unless the machine is too noisy to tell, and then it is not known.
        """
        if self.low > 0 and self.value > limit / 2:
            return "slower"
        return "not slower" if self.high < limit else "not known"

    def measurement(self) -> Measurement:
        """Return it as a figure of a report."""
        interval = Interval(
            low=self.low,
            high=self.high,
            method=f"t of {self.rounds} processes, {FALSE_ALARM:.0%} below and {MISSED:.0%} above",
        )
        return measured(self.value, Unit.FRACTION, interval, {"rounds": self.rounds, "batch": 1})


def slowdown_of(ratios: Sequence[float]) -> Slowdown:
    """Return the slowdown that rounds show; ``ratios`` are times of the later artifact per time of the earlier one.

    Student's t of the logarithms, one-sided on either side, with the chances shared out over the looks (Bonferroni).
    """
    logs = np.log(np.asarray(ratios, dtype=np.float64))
    mean, error = float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(len(logs))
    freedom = len(logs) - 1
    low = mean - student_t(1 - FALSE_ALARM / len(LOOKS), freedom) * error
    high = mean + student_t(1 - MISSED / len(LOOKS), freedom) * error
    return Slowdown(value=math.expm1(mean), low=math.expm1(low), high=math.expm1(high), rounds=len(logs))


@cache
def student_t(share: float, freedom: int) -> float:
    """Return the quantile of Student's t above which ``1 - share`` lies, by bisection of its distribution."""
    low, high = 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_share(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def _student_share(value: float, freedom: int) -> float:
    """Return the share of Student's t below a value from 0 on.

    The finite sums for whole degrees of freedom, Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and
    26.7.4.
    """
    angle = math.atan(value / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    term, total = (cosine, 0.0) if freedom % 2 else (1.0, 0.0)
    for power in range(1 if freedom % 2 else 0, freedom - 1, 2):
        total += term
        term *= cosine**2 * (power + 1) / (power + 2)
    inside = 2 / math.pi * (angle + sine * total) if freedom % 2 else sine * total
    return 0.5 + inside / 2


def ratio_of(pair: PairTiming, swapped: bool) -> float:
    """Return the later artifact's time per the earlier one's in one round; ``swapped``: the later one stands first.

    The median of the pairs' ratios where both were timed in turns, else the ratio of the medians.
    """
    earlier, later = (
        np.asarray(samples)
        for samples in ((pair.second_ms, pair.first_ms) if swapped else (pair.first_ms, pair.second_ms))
    )
    if pair.in_turns:
        return float(np.exp(np.median(np.log(later) - np.log(earlier))))
    return float(np.median(later) / np.median(earlier))


def rounds_of(
    transport: Transport, earlier: Artifact, later: Artifact, protocol: TimingProtocol = ROUND
) -> Iterator[float]:
    """Yield the ratio of times of one round after the other, each from a fresh process.

    Which one is loaded first alternates: the first to come may get the better place in memory.

    Raises:
        DeviceError: the device failed.
    """
    swapped = False
    while True:
        first, second = (later, earlier) if swapped else (earlier, later)
        yield ratio_of(transport.time_pair(first, second, protocol), swapped)
        swapped = not swapped


def time_against(
    transport: Transport, earlier: Artifact, later: Artifact, limit: float, protocol: TimingProtocol = ROUND
) -> Slowdown:
    """Return how much slower the later artifact is, from as few rounds as it takes to hold it to a limit.

    Raises:
        DeviceError: the device failed.
    """
    rounds = rounds_of(transport, earlier, later, protocol)
    ratios: list[float] = []
    for look in LOOKS:
        more = range(look - len(ratios))
        ratios += [next(rounds) for _ in track(more, f"timing {later.key} beside the earlier one")]
        found = slowdown_of(ratios)
        if found.finding(limit) != "not known":
            break
    return found
