"""Light: too little, too much, without contrast, through fog."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_deploy.data.corruptions.noise import each
from fer_deploy.data.draws import uniform

#: Sides of the grids that fog is made of, coarse to fine: each has half the weight of the one before.
_FOG_SIDES = (3, 6, 12, 24)


def darkness(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Multiply by ``strength``, below 1."""
    return pixels * each(strength)


def gamma(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Bend the scale: (p / 255) to the power of ``strength``; above 1 shadows sink, below they rise."""
    return (pixels / 255).clamp(0, 1).pow(each(strength)) * 255


def brightness(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Add ``strength``, a fraction of 255."""
    return pixels + 255 * each(strength)


def contrast(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Bring values closer to the image's mean; ``strength`` is what is left of their distance."""
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return (pixels - mean) * each(strength) + mean


def fog(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Add clouds of several sizes and compress the rest as ImageNet-C does; ``strength`` is the clouds' height."""
    count, _, height, width = pixels.shape
    clouds = torch.zeros(count, 1, height, width, device=pixels.device)
    for index, side in enumerate(_FOG_SIDES):
        layer = uniform((count, 1, side, side), generator, pixels.device)
        clouds += F.interpolate(layer, (height, width), mode="bilinear", align_corners=False) / 2**index
    clouds = clouds / sum(2.0**-index for index in range(len(_FOG_SIDES)))
    peak = pixels.amax((1, 2, 3), keepdim=True)
    return (pixels + 255 * each(strength) * clouds) * peak / (peak + 255 * each(strength)).clamp(min=1)
