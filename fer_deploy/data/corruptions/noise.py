"""Noise of sensors and of bad transmission; every value on the scale 0..255."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_deploy.data.draws import normal, uniform


def each(strength: Tensor) -> Tensor:
    """Return ``strength``, (N,), shaped to go with (N, C, H, W)."""
    return strength.view(-1, 1, 1, 1)


def gaussian_noise(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Add normal noise; ``strength`` is its standard deviation in units of 1/255."""
    return pixels + normal(tuple(pixels.shape), generator, pixels.device) * each(strength)


def speckle_noise(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Multiply by 1 plus normal noise; ``strength`` is the noise's standard deviation."""
    return pixels * (1 + normal(tuple(pixels.shape), generator, pixels.device) * each(strength))


def shot_noise(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Count photons: ``strength`` is how many a white pixel gets on average, so fewer are worse."""
    photons = (pixels / 255 * each(strength)).clamp(min=0)
    if generator is not None:
        photons = photons.to(generator.device)
    return torch.poisson(photons, generator).to(pixels.device) * 255 / each(strength)


def impulse_noise(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Make pixels black or white (salt and pepper); ``strength`` is the share of pixels hit."""
    draw = uniform(tuple(pixels.shape), generator, pixels.device)
    share = each(strength)
    pixels = torch.where(draw < share / 2, torch.zeros_like(pixels), pixels)
    return torch.where(draw > 1 - share / 2, torch.full_like(pixels, 255.0), pixels)
