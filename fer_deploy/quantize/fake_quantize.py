"""Rounding to the int8 grid with a gradient that passes straight through (Bengio et al., 2013)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fer_deploy.quantize.grid import QMAX, QMIN, WEIGHT_EPS, WEIGHT_MAX


class ActivationQuantizer(nn.Module):
    """Per tensor, affine, with a range that never moves. Values outside it are clipped and get no gradient."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, scale: Tensor, zero_point: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale.detach().reshape(()).float().clone())
        self.register_buffer("zero_point", zero_point.detach().reshape(()).to(torch.int32).clone())

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` rounded to the grid, same shape."""
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero_point, QMIN, QMAX)


class WeightQuantizer(nn.Module):
    """Per output channel, symmetric, with the range of the weights as they are now: no averaging."""

    def forward(self, weight: Tensor) -> Tensor:
        """Return a weight (outputs, ...) rounded to its grid, same shape."""
        peak = weight.detach().abs().flatten(1).amax(1)
        scale = (peak / WEIGHT_MAX).clamp(min=WEIGHT_EPS)
        zero = torch.zeros(len(weight), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -WEIGHT_MAX, WEIGHT_MAX)
