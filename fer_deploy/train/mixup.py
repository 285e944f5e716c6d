"""Mixup: pairs of images and of their distributions, in random proportion (Zhang et al., ICLR 2018)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def mixup(
    pixels: Tensor, distribution: Tensor, alpha: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return each image mixed with another of the batch, and its distribution in the same proportion.

    Args:
        pixels: float32 (N, C, H, W).
        distribution: float32 (N, K), rows sum to 1.
        alpha: of the symmetric Beta distribution that each image's share is drawn from; 0 mixes nothing.
        generator: CPU generator; the same state gives the same batch on every device.
    """
    if alpha == 0:
        return pixels, distribution
    count = len(pixels)
    # torch samples the Beta distribution from its global generator only.
    seed = int(torch.randint(2**62, (1,), generator=generator))
    drawn = np.random.default_rng(seed).beta(alpha, alpha, count).astype(np.float32)
    # The larger part is the image's own: otherwise pairs would come twice.
    share = torch.from_numpy(np.maximum(drawn, 1 - drawn)).to(pixels.device)
    partner = torch.randperm(count, generator=generator).to(pixels.device)
    mixed = pixels.lerp(pixels[partner], (1 - share).view(-1, 1, 1, 1))
    return mixed, distribution.lerp(distribution[partner], (1 - share).view(-1, 1))
