"""The contract's normalisation, in training; in deployment it is the graph's first operation."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_deploy.contract import InputSpec


def normalised(pixels: Tensor, spec: InputSpec) -> Tensor:
    """Return ``(pixels - mean) / std`` per channel, float32 (N, C, H, W)."""
    # Channel by channel with plain numbers: tensors of them would be copies from the host, which no CUDA graph holds.
    channels = [
        (pixels[:, index : index + 1].float() - mean) / std
        for index, (mean, std) in enumerate(zip(spec.mean, spec.std, strict=True))
    ]
    return channels[0] if len(channels) == 1 else torch.cat(channels, 1)
