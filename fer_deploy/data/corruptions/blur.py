"""Blur: out of focus, moved, or taken from too few pixels. Lengths are pixels of a 48 px face and grow with it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_deploy.data.corruptions.noise import each
from fer_deploy.data.draws import uniform

#: The side, in pixels, that every length of a corruption is given for.
SIDE = 48
#: Sides that :func:`downscale` knows: fixed, so that a CUDA graph holds all of them and chooses.
_SIDES = (16, 20, 24, 28, 32, 36, 40)


def _bands(sigma: Tensor, side: int) -> Tensor:
    """Return (N, side, side) matrices that blur along one axis; weights that fall outside go to those inside."""
    place = torch.arange(side, device=sigma.device, dtype=torch.float32)
    squared = (place[:, None] - place[None]).square()
    weights = torch.exp(-squared / (2 * sigma.clamp(min=0.05).square().view(-1, 1, 1)))
    return weights / weights.sum(2, keepdim=True)


def gaussian_blur(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Blur by a normal kernel; ``strength`` is its standard deviation in pixels."""
    height, width = pixels.shape[-2:]
    # Matrix products, not convolutions: each image has its own kernel, and a graph can hold them.
    down = _bands(strength * height / SIDE, height)[:, None]
    across = _bands(strength * width / SIDE, width)[:, None]
    return down @ pixels @ across.transpose(2, 3)


def _filtered(pixels: Tensor, kernels: Tensor) -> Tensor:
    """Return each image filtered with its own kernel (N, K, K), K odd; the border is repeated."""
    count, channels, height, width = pixels.shape
    reach = kernels.shape[-1] // 2
    padded = F.pad(pixels, (reach,) * 4, mode="replicate").reshape(
        1, count * channels, height + 2 * reach, -1
    )
    each_channel = kernels.repeat_interleave(channels, 0)[:, None]
    return F.conv2d(padded, each_channel, groups=count * channels).view(count, channels, height, width)


def _grid(reach: int, device: torch.device) -> tuple[Tensor, Tensor]:
    line = torch.arange(-reach, reach + 1, device=device, dtype=torch.float32)
    return line.view(1, -1, 1), line.view(1, 1, -1)


def defocus_blur(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Blur by a disk; ``strength`` is its radius in pixels, its rim one pixel soft."""
    radius = (strength * pixels.shape[-1] / SIDE).view(-1, 1, 1)
    y, x = _grid(math.ceil(float(radius.max()) + 0.5), pixels.device)
    disk = (radius + 0.5 - torch.sqrt(y * y + x * x)).clamp(0, 1)
    return _filtered(pixels, disk / disk.sum((1, 2), keepdim=True))


def motion_blur(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Blur along a line of random direction; ``strength`` is its length in pixels, its rim one pixel soft."""
    half = (strength * pixels.shape[-1] / SIDE / 2).view(-1, 1, 1)
    angle = (uniform((len(pixels),), generator, pixels.device) * math.pi).view(-1, 1, 1)
    y, x = _grid(math.ceil(float(half.max()) + 0.5), pixels.device)
    along, beside = x * torch.cos(angle) + y * torch.sin(angle), y * torch.cos(angle) - x * torch.sin(angle)
    line = (half + 0.5 - along.abs()).clamp(0, 1) * (1 - beside.abs()).clamp(0, 1)
    return _filtered(pixels, line / line.sum((1, 2), keepdim=True))


def downscale(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Shrink by area and enlarge bilinearly; ``strength`` is the side between, in pixels, to the nearest known."""
    size = (pixels.shape[-2], pixels.shape[-1])
    # Distances one by one: a tensor of the sides would be a copy from the host, which a CUDA graph cannot hold.
    nearest = torch.stack([(strength - side).abs() for side in _SIDES]).argmin(0)
    answer = pixels
    for index, side in enumerate(_SIDES):
        small = F.interpolate(pixels, [round(side * edge / SIDE) for edge in size], mode="area")
        back = F.interpolate(small, list(size), mode="bilinear", align_corners=False)
        answer = torch.where(each(nearest == index), back, answer)
    return answer


def pixelate(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Shrink by area and enlarge by repeating; ``strength`` is the side between, in pixels, one for the batch."""
    size = (pixels.shape[-2], pixels.shape[-1])
    small = F.interpolate(pixels, [round(float(strength[0]) * edge / SIDE) for edge in size], mode="area")
    return F.interpolate(small, list(size), mode="nearest")
