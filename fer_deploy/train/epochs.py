"""What every training by epochs has in common: schedule, seeding, log, averaged weights and checkpoints."""

from __future__ import annotations

import copy
import io
import math
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from fer_deploy.errors import TrainingError
from fer_deploy.files import write_atomic
from fer_deploy.progress import say
from fer_deploy.safe_load import load_dict

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


class WeightAverage:
    """Keeps ``module``, a copy of a model whose state follows it with ``decay`` per step.

    The first steps use a smaller decay, (1 + step) / (10 + step), so that the average forgets the
    random initialisation (the schedule of TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.step = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average toward ``model`` by one step; integer state is copied."""
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        for mine, theirs in zip(self.module.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors, numbers, strings, lists, dicts) atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(path, buffer.getvalue())


def load_checkpoint(
    path: Path, recipe_json: str, same: Callable[[Any, str], bool] = operator.eq
) -> dict[str, Any] | None:
    """Return the state at ``path``, or None when there is none yet.

    Args:
        path: the file.
        recipe_json: the recipe of the run that wants to go on.
        same: whether the stored recipe is that one.

    Raises:
        TrainingError: the file is damaged, or belongs to another recipe.
    """
    if not path.exists():
        return None
    try:
        state = load_dict(path)
    except ValueError as error:
        raise TrainingError(f"checkpoint {path} is damaged ({error}); delete it to start again") from None
    if not same(state.get("recipe"), recipe_json):
        raise TrainingError(
            f"checkpoint {path} belongs to another recipe; use another --work-dir or delete it to start again"
        )
    return state
