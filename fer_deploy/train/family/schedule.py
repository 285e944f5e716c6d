"""How long a training goes on, and how its rates change meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from fer_deploy.train.family.data import Order
from fer_deploy.train.family.graph import wait

Say = Callable[[str], None]
#: Steps that are timed before the length of a run under a time limit is fixed.
_PROBE = 60
#: Part of the time that the steps may plan with; the rest goes to evaluation and saving.
_USABLE = 0.96
#: Steps between two waits for the device, so that the host's clock follows it.
_WAIT_EVERY = 50


def cosine(progress: float, warmup: float) -> float:
    """Return the factor of the learning rate at ``progress`` 0..1: a linear warm-up, then a cosine to zero."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def following(step: int, decay: float) -> float:
    """Return by how much the average follows at ``step``: faster at first, to forget the random start."""
    return max(1 - decay, 9 / (10 + step))


def train(
    step: Callable[[], object],
    order: Order,
    epochs: int,
    seconds: float | None,
    before_step: Callable[[int, float], None],
    after_epoch: Callable[[int], None],
    say: Say,
) -> float:
    """Repeat ``step`` for ``epochs``, or for as many as fit into ``seconds``; return how many it were.

    Args:
        step: one training step on the batch ``order.index``.
        order: of the batches.
        epochs: at most.
        seconds: time for all steps, measured on the first ones; None for no limit. The schedule then ends earlier.
        before_step: called with the number of the step and the progress, 0..1.
        after_epoch: called with the number of complete epochs.
        say: takes lines for the log.
    """
    device = order.index.device
    total, done, began = epochs * order.steps, 0, time.monotonic()
    wait(device)
    while done < total:
        order.advance()
        before_step(done, done / total)
        step()
        done += 1
        if done % _WAIT_EVERY == 0:
            wait(device)
        if done == _PROBE and seconds is not None:
            wait(device)
            each = (time.monotonic() - began) / _PROBE
            total = max(done, min(total, int(seconds * _USABLE / each)))
            say(f"  {each * 1000:.2f} ms a step: {total} steps, {total / order.steps:.1f} epochs")
        if order.ends_epoch():
            after_epoch(order.epoch)
    wait(device)
    return done / order.steps
