"""Figures of a file from its answers and its times: against the float network, and against ours on the same images."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers.results import Beside, Ratio, Timing
from rounds import PER_ROUND, round_of

from fer_deploy.measure.measurement import Interval, Measurement, Unit, measured
from fer_deploy.measure.statistics import paired_drop_interval, quantile_interval
from fer_deploy.targets.base import Session

Logits = NDArray[np.float32]
#: Of all processors, what other programs may take before a machine is no longer called quiet.
QUIET_SHARE = 0.02
_RESAMPLES = 2000


@dataclass(frozen=True)
class Timed:
    """A file to time and the image that it takes."""

    session: Session
    image: NDArray[Any]


def take_times(files: Mapping[str, Timed], rounds: int) -> tuple[dict[str, NDArray[np.float64]], Timing]:
    """Return the milliseconds of each file in each round, all of them by turns, and how quiet the machine was."""
    samples: dict[str, list[float]] = {key: [] for key in files}
    load_before, began, busy, own = os.getloadavg()[0], time.perf_counter(), _busy(), sum(os.times()[:4])
    for _ in range(rounds):
        for key, timed in files.items():
            samples[key].append(round_of(timed.session, [timed.image]))
    available = (time.perf_counter() - began) * (os.cpu_count() or 1)
    others = max(0.0, (_busy() - busy - (sum(os.times()[:4]) - own)) / available)
    timing = Timing(
        rounds=rounds,
        per_round=PER_ROUND,
        load_before=load_before,
        load_after=os.getloadavg()[0],
        others_share=others,
        quiet=others <= QUIET_SHARE,
    )
    return {key: np.array(values) for key, values in samples.items()}, timing


def _busy() -> float:
    """Return the seconds that this machine's processors have worked for anybody, since it started."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, interrupts, soft, stolen = map(int, fields[:8])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")


def ratio(times: NDArray[np.float64], reference: NDArray[np.float64]) -> Ratio:
    """Return the median of the rounds' ratios, with its interval."""
    ratios = times / reference
    return Ratio(value=float(np.median(ratios)), interval=quantile_interval(ratios, 0.5))


def beside(
    theirs: Logits,
    ours: Logits,
    plain: Logits,
    targets: NDArray[np.int64],
    sizes: tuple[int, int],
    times: Ratio,
) -> Beside:
    """Return how a peer's file compares with ours; ``plain`` are the float network's logits."""
    peer, own, reference = theirs.argmax(1), ours.argmax(1), plain.argmax(1)
    return Beside(
        accuracy=_lead(peer == targets, own == targets),
        agreement=_lead(peer == reference, own == reference),
        sqnr=_sqnr_lead(theirs, ours, plain),
        bytes=sizes[0] / sizes[1],
        time=times,
    )


def _lead(theirs: NDArray[np.bool_], ours: NDArray[np.bool_]) -> Measurement:
    """Return by how many points more images are right in the peer's answers; paired."""
    won, lost, count = int((theirs & ~ours).sum()), int((ours & ~theirs).sum()), len(theirs)
    drop = paired_drop_interval(lost, won, count)
    interval = Interval(low=-100 * drop.high, high=-100 * drop.low, method=drop.method)
    return measured(100 * (won - lost) / count, Unit.POINTS, interval)


def _sqnr_lead(theirs: Logits, ours: Logits, plain: Logits) -> Measurement:
    """Return by how many dB the peer's noise is lower, with a paired bootstrap over the images."""
    noise = [np.square(logits.astype(np.float64) - plain).sum(1) for logits in (ours, theirs)]
    count = len(plain)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    leads = 10 * np.log10((drawn @ noise[0]) / (drawn @ noise[1]))
    low, high = np.percentile(leads, [2.5, 97.5])
    value = float(10 * np.log10(noise[0].sum() / noise[1].sum()))
    method = f"95 %, bootstrap over images, {_RESAMPLES} resamples"
    return measured(value, Unit.DECIBEL, Interval(low=float(low), high=float(high), method=method))
