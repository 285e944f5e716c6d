"""Is a timing worth anything? VALID, or INVALID with the reasons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_deploy.devices.timing import IosState, TimingProtocol, TimingResult
from fer_deploy.measure.statistics import quantile_interval

#: A third of the run this much slower or faster than another, beyond what chance explains, is drift: heat,
#: a clock governor, another load. Our own choice: half of the smallest difference (10 %) that we would report.
MAX_DRIFT = 0.05
#: Interquartile range over the median. Undisturbed runs here show 0.01 to 0.05; above this, half of the samples
#: lie so far apart that the median is a property of the disturbance.
MAX_SPREAD = 0.25
#: Samples below which neither thirds nor percentiles mean anything, whatever the protocol allowed.
MIN_SAMPLES = 30
#: Share of the time in which the timing thread was ready to run and another ran in its place. One slice of another
#: process (some 4 ms) in each second is 0.4 %; from a twentieth on, the median itself moves. Our own choice.
MAX_WAIT = 0.05
#: Share of the processor time that a hypervisor may take; a quiet virtual machine here loses 0.2 %. Our own choice.
MAX_STEAL = 0.02
#: The states of ProcessInfo.ThermalState in which iOS reduces the clocks; in "fair" it only postpones other work.
_THROTTLED = ("serious", "critical")
#: Least number of others that may be ready to run, where the machine has no processor to spare for them: now and then
#: a daemon, never a process that stays.
FEW_OTHERS = 0.25


@dataclass(frozen=True)
class Validity:
    """Whether a timing is worth anything: every reason against it."""

    reasons: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """True when nothing speaks against the timing."""
        return not self.reasons

    def __str__(self) -> str:
        return "VALID" if self.valid else "INVALID: " + "; ".join(self.reasons)


def judge(result: TimingResult, protocol: TimingProtocol) -> Validity:
    """Return whether a timing taken by a protocol is valid, and why not."""
    reasons = [*_too_few(result, protocol)]
    samples = np.array(result.samples_ms)
    if len(samples) >= MIN_SAMPLES:
        reasons += [*_drift(samples), *_spread(samples)]
    reasons += [*_contention(result), *_heat(result), *_wrong(result), *_elsewhere(result, protocol)]
    return Validity(tuple(reasons))


def _too_few(result: TimingResult, protocol: TimingProtocol) -> list[str]:
    count, seconds = len(result.samples_ms), sum(result.samples_ms) / 1000
    least = max(MIN_SAMPLES, protocol.min_runs)
    if count < least:
        return [f"too few samples: {count} of {least}"]
    if seconds < protocol.min_seconds:
        return [f"too short: {seconds:.2f} s of {protocol.min_seconds:g} s"]
    return []


def _drift(samples: np.ndarray) -> list[str]:
    third = len(samples) // 3
    begin, end = samples[:third], samples[-third:]
    before, after = float(np.median(begin)), float(np.median(end))
    bounds = quantile_interval(begin, 0.5), quantile_interval(end, 0.5)
    if before == 0 or bounds[0] is None or bounds[1] is None:
        return []
    apart = bounds[0].high < bounds[1].low or bounds[1].high < bounds[0].low
    change = after / before - 1
    if not apart or abs(change) <= MAX_DRIFT:
        return []
    cause = "throttling or another load" if change > 0 else "not warmed up, or another load ended"
    return [f"drift: the last third is {abs(change):.0%} {'slower' if change > 0 else 'faster'} ({cause})"]


def _spread(samples: np.ndarray) -> list[str]:
    low, middle, high = np.quantile(samples, [0.25, 0.5, 0.75])
    if middle == 0:
        return ["the clock is too coarse: the median is 0"]
    spread = float((high - low) / middle)
    return (
        [f"unstable: the middle half spreads over {spread:.0%} of the median"] if spread > MAX_SPREAD else []
    )


def _contention(result: TimingResult) -> list[str]:
    """Return what says that others had a part of the processors.

    Half of the processors that the runtime leaves free may be busy: as a rule two logical processors are one core,
    and beyond half of them others share cores, caches and clock with the timing.
    """
    around = result.contention
    if around is None:
        return []
    reasons = []
    if around.wait_share is not None and around.wait_share > MAX_WAIT:
        reasons.append(
            f"disturbed: the timing thread waited {around.wait_share:.0%} of the time for a processor"
        )
    allowed = max(FEW_OTHERS, (around.processors - (result.threads or 1)) / 2)
    if around.others_running is not None and around.others_running > allowed:
        reasons.append(
            f"busy: on average {around.others_running:.1f} other threads were ready to run on {around.processors} "
            f"processors ({allowed:g} allowed); stop other work and time again"
        )
    if around.steal_share is not None and around.steal_share > MAX_STEAL:
        reasons.append(f"the hypervisor took {around.steal_share:.0%} of the processors for other machines")
    return reasons


def _heat(result: TimingResult) -> list[str]:
    if result.after is None:
        return []
    reasons = []
    if result.after.thermal_status:
        reasons.append(f"throttled: Android's thermal status is {result.after.thermal_status} after the run")
    if isinstance(result.after, IosState) and result.after.thermal_state in _THROTTLED:
        reasons.append(f"throttled: iOS's thermal state is {result.after.thermal_state} after the run")
    if any(isinstance(state, IosState) and state.low_power_mode for state in (result.before, result.after)):
        reasons.append("slowed down: iOS's low power mode is on")
    return reasons


def _wrong(result: TimingResult) -> list[str]:
    if result.golden_difference is None or result.golden_tolerance is None:
        return []
    if result.golden_difference <= result.golden_tolerance:
        return []
    return [
        f"wrong answers: logits differ from golden.json by {result.golden_difference:.3g} "
        f"({result.golden_tolerance:.3g} allowed)"
    ]


def _elsewhere(result: TimingResult, protocol: TimingProtocol) -> list[str]:
    if protocol.cores is None or result.cores == tuple(sorted(protocol.cores)):
        return []
    return [f"not pinned: the runner used cores {list(result.cores or ())} instead of {list(protocol.cores)}"]
