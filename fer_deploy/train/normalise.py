"""The contract's normalisation, in training; in deployment it is the graph's first operation."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_deploy.contract import InputSpec


def normalised(pixels: Tensor, spec: InputSpec) -> Tensor:
    """Return ``(pixels - mean) / std`` per channel, float32 (N, C, H, W)."""
    mean = torch.tensor(spec.mean, device=pixels.device).view(1, -1, 1, 1)
    std = torch.tensor(spec.std, device=pixels.device).view(1, -1, 1, 1)
    return (pixels.float() - mean) / std
