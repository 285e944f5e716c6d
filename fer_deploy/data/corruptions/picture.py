"""What spoils a picture and leaves everything in its place: noise, light, blur, too few pixels, compression.

Values are on the scale 0..255; lengths are pixels of a 48 px face and grow with it.
"""

from __future__ import annotations

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
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


def jpeg(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Compress and decode; ``strength`` is the JPEG quality, 1 to 95, so lower is worse."""
    answer = []
    for image, quality in zip(pixels.round().clamp(0, 255).byte().cpu(), strength.tolist(), strict=True):
        array = image.permute(1, 2, 0).squeeze(2).numpy()
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, format="JPEG", quality=round(quality))
        decoded = np.asarray(Image.open(stream)).reshape(array.shape + (1,) * (3 - array.ndim))
        answer.append(torch.from_numpy(decoded.copy()).permute(2, 0, 1))
    return torch.stack(answer).float().to(pixels.device)
