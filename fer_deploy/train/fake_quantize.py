"""Rounding to the int8 grid with a gradient that passes straight through (Bengio et al., 2013)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ActivationQuantizer(nn.Module):
    """Per tensor, affine, with a range that never moves. Values outside it are clipped and get no gradient."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, scale: Tensor, zero_point: Tensor, low: int, high: int) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.register_buffer("scale", scale.detach().reshape(()).float().clone())
        self.register_buffer("zero_point", zero_point.detach().reshape(()).to(torch.int32).clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` rounded to the grid, same shape."""
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, self.low, self.high)


class WeightQuantizer(nn.Module):
    """Per output channel, symmetric, with the range of the weights as they are now: no averaging."""

    def __init__(self, limit: int, eps: float) -> None:
        """Integers run from -``limit`` to ``limit``; no scale is below ``eps``."""
        super().__init__()
        self.limit, self.eps = limit, eps

    def forward(self, weight: Tensor) -> Tensor:
        """Return a weight (outputs, ...) rounded to its grid, same shape."""
        peak = weight.detach().abs().flatten(1).amax(1)
        scale = (peak / self.limit).clamp(min=self.eps)
        zero = torch.zeros(len(weight), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -self.limit, self.limit)
