"""Exponential moving average of a model's weights and BatchNorm statistics."""

from __future__ import annotations

import copy

import torch
from torch import nn


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
