"""What a batch goes through before a network sees it: random changes, mixup, and the contract's normalisation.

Whole batches at once, on the device that the batch is on, from an explicit random generator.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fer_deploy.contract import InputSpec
from fer_deploy.data.draws import uniform
from fer_deploy.train.recipe import AugmentSpec


def augment(pixels: Tensor, spec: AugmentSpec, generator: torch.Generator | None) -> Tensor:
    """Return randomly changed copies of ``pixels``.

    Args:
        pixels: float32 (N, C, H, W) in 0..255.
        spec: ranges of each change.
        generator: the same state gives the same batch on every device; None draws from the device's own generator,
            as a CUDA graph needs it.

    Returns:
        float32 (N, C, H, W) in 0..255; what moves in from outside repeats the border.
    """
    pixels = _affine(pixels, spec, generator)
    pixels = _tone(pixels, spec, generator)
    return _erase(pixels, spec.erase, generator)


def _uniform(count: int, limit: float, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Return (count,) values uniform in -limit..limit."""
    return (uniform((count,), generator, device) * 2 - 1).mul(limit)


def _affine(pixels: Tensor, spec: AugmentSpec, generator: torch.Generator | None) -> Tensor:
    count, device = len(pixels), pixels.device
    angle = _uniform(count, math.radians(spec.rotation), generator, device)
    zoom = 1.0 + _uniform(count, spec.scale, generator, device)
    # affine_grid's coordinates run from -1 to 1: a shift by a fraction of the side is twice that.
    dx = _uniform(count, 2 * spec.shift, generator, device)
    dy = _uniform(count, 2 * spec.shift, generator, device)
    mirror = torch.ones(count, device=device)
    if spec.flip:
        mirror = (uniform((count,), generator, device) < 0.5).float() * -2 + 1
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack(
        [torch.stack([cosine * mirror, -sine, dx], 1), torch.stack([sine * mirror, cosine, dy], 1)], 1
    )
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _tone(pixels: Tensor, spec: AugmentSpec, generator: torch.Generator | None) -> Tensor:
    count, device = len(pixels), pixels.device
    contrast = (1.0 + _uniform(count, spec.contrast, generator, device)).view(-1, 1, 1, 1)
    brightness = _uniform(count, 255 * spec.brightness, generator, device).view(-1, 1, 1, 1)
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return ((pixels - mean) * contrast + mean + brightness).clamp_(0, 255)


def _erase(pixels: Tensor, probability: float, generator: torch.Generator | None) -> Tensor:
    """Fill one rectangle of 1/6 to 1/3 of each side with the image's own mean, with ``probability``."""
    count, _, height, width = pixels.shape
    if probability == 0:
        return pixels
    draw = uniform((count, 5), generator, pixels.device)
    size_y = height * (1 + draw[:, 0]) / 6
    size_x = width * (1 + draw[:, 1]) / 6
    top, left = draw[:, 2] * (height - size_y), draw[:, 3] * (width - size_x)
    y = torch.arange(height, device=pixels.device).view(1, -1, 1)
    x = torch.arange(width, device=pixels.device).view(1, 1, -1)
    inside = (y >= top.view(-1, 1, 1)) & (y < (top + size_y).view(-1, 1, 1))
    inside = inside & (x >= left.view(-1, 1, 1)) & (x < (left + size_x).view(-1, 1, 1))
    inside = inside & (draw[:, 4] < probability).view(-1, 1, 1)
    return torch.where(inside[:, None], pixels.mean((1, 2, 3), keepdim=True), pixels)


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


def normalised(pixels: Tensor, spec: InputSpec) -> Tensor:
    """Return ``(pixels - mean) / std`` per channel, float32 (N, C, H, W)."""
    # Channel by channel with plain numbers: tensors of them would be copies from the host, which no CUDA graph holds.
    channels = [
        (pixels[:, index : index + 1].float() - mean) / std
        for index, (mean, std) in enumerate(zip(spec.mean, spec.std, strict=True))
    ]
    return channels[0] if len(channels) == 1 else torch.cat(channels, 1)
