"""What every training by epochs has in common: schedule, seeding, log, and what is said when it goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch

from fer_deploy.errors import TrainingError
from fer_deploy.files import write_atomic
from fer_deploy.progress import say

#: Apart by more than any number of epochs, so that no two seeds share an epoch's draws; a prime.
_SEED_STRIDE = 100_003


class Schedule(Protocol):
    """What a learning-rate schedule depends on."""

    @property
    def epochs(self) -> int:
        """Length of the run."""

    @property
    def warmup_epochs(self) -> float:
        """Length of the linear warm-up."""

    @property
    def learning_rate(self) -> float:
        """Peak, reached after warm-up."""


def learning_rate_at(step: int, steps_per_epoch: int, recipe: Schedule) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine to zero (Loshchilov & Hutter, 2017)."""
    total = recipe.epochs * steps_per_epoch
    warmup = min(int(recipe.warmup_epochs * steps_per_epoch), total - 1)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of one epoch (from 0) of a run: what is resumed draws what it would have drawn uninterrupted."""
    return seed * _SEED_STRIDE + epoch


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of parameters this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def require_finite(loss: float, epoch: int, step: int) -> None:
    """Pass where ``loss`` is a number.

    Raises:
        TrainingError: it is infinite or NaN; ``epoch`` and ``step``, both from 0, say where.
    """
    if not math.isfinite(loss):
        raise TrainingError(f"the loss is not finite in epoch {epoch + 1}, step {step}; lower learning_rate")


def write_log(path: Path, columns: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    """Write a CSV file atomically: the columns' names, then a row an epoch with six significant digits."""
    lines = [",".join(columns), *(",".join(f"{value:.6g}" for value in row) for row in rows)]
    write_atomic(path, "\n".join(lines) + "\n")


def say_where_it_goes_on(epoch: int, epochs: int, what: str = "training") -> None:
    """Say on stderr that ``what`` is resumed after ``epoch`` of ``epochs``, or that nothing is left to do."""
    if epoch < epochs:
        say(f"resuming the {what} at epoch {epoch + 1}/{epochs}")
    else:
        say(f"all {epoch} epochs of the {what} are done")
