"""Geometry: pose, a box that a detector put wrongly, something before the face."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_deploy.data.corruptions.picture import SIDE, each
from fer_deploy.data.draws import normal, uniform

#: Distance of the camera from the turned face, in half sides of the face: arm's length.
_DISTANCE = 4.0
#: Side of the grid that elastic displacements are drawn on, and of the bands that a zoom blur averages.
_ELASTIC_SIDE = 6
_ZOOMS = 8


def _resampled(pixels: Tensor, grid: Tensor) -> Tensor:
    """Return ``pixels`` read at ``grid`` (N, H, W, 2), x and y in -1..1; outside, the border is repeated."""
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _identity(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the x and the y of every pixel's centre, each (1, H, W), in -1..1."""
    height, width = pixels.shape[-2:]
    x = (torch.arange(width, device=pixels.device) * 2 + 1) / width - 1
    y = (torch.arange(height, device=pixels.device) * 2 + 1) / height - 1
    return x.view(1, 1, -1).expand(1, height, width), y.view(1, -1, 1).expand(1, height, width)


def _sign(count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Return (N,) of -1 and 1."""
    return (uniform((count,), generator, device) < 0.5).float() * 2 - 1


def pose(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Turn the picture of a face about its vertical axis, left or right; ``strength`` is the angle in degrees.

    A plane seen by a pinhole camera: the near side grows, the far side shrinks. A real head also hides its far side.
    """
    angle = strength.deg2rad() * _sign(len(pixels), generator, pixels.device)
    cosine, sine = (value.view(-1, 1, 1) for value in (torch.cos(angle), torch.sin(angle)))
    x, y = _identity(pixels)
    # Where the ray through image point (x, y) meets the turned plane, in the plane's own coordinates.
    across = x * _DISTANCE / (_DISTANCE * cosine - x * sine)
    depth = (_DISTANCE + across * sine) / _DISTANCE
    return _resampled(pixels, torch.stack([across, y * depth], 3))


def rotation(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Turn in the picture's plane, clockwise or not; ``strength`` is the angle in degrees."""
    angle = strength.deg2rad() * _sign(len(pixels), generator, pixels.device)
    cosine, sine = (value.view(-1, 1, 1) for value in (torch.cos(angle), torch.sin(angle)))
    x, y = _identity(pixels)
    return _resampled(pixels, torch.stack([x * cosine - y * sine, x * sine + y * cosine], 3))


def shift(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Move the box in a random direction; ``strength`` is how far, as a fraction of its side."""
    angle = uniform((len(pixels),), generator, pixels.device) * 2 * math.pi
    dx, dy = (2 * strength * value for value in (torch.cos(angle), torch.sin(angle)))
    x, y = _identity(pixels)
    return _resampled(pixels, torch.stack([x + dx.view(-1, 1, 1), y + dy.view(-1, 1, 1)], 3))


def crop(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Cut the box too tight, about its centre; ``strength`` is the share of the side that is left."""
    x, y = _identity(pixels)
    side = strength.view(-1, 1, 1)
    return _resampled(pixels, torch.stack([x * side, y * side], 3))


def occlusion(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Cover a square of one random grey, wholly inside the picture; ``strength`` is its side in pixels."""
    count, _, height, width = pixels.shape
    draw = uniform((count, 3), generator, pixels.device)
    tall, wide = strength * height / SIDE, strength * width / SIDE
    top, left = (draw[:, 0] * (height - tall)).view(-1, 1, 1), (draw[:, 1] * (width - wide)).view(-1, 1, 1)
    y = torch.arange(height, device=pixels.device).view(1, -1, 1)
    x = torch.arange(width, device=pixels.device).view(1, 1, -1)
    inside = (y >= top) & (y < top + tall.view(-1, 1, 1)) & (x >= left) & (x < left + wide.view(-1, 1, 1))
    return torch.where(inside[:, None], each(draw[:, 2] * 255), pixels)


def elastic(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Move every point by a smooth random field; ``strength`` is the field's standard deviation in pixels."""
    field = normal((len(pixels), 2, _ELASTIC_SIDE, _ELASTIC_SIDE), generator, pixels.device)
    field = F.interpolate(field, list(pixels.shape[-2:]), mode="bicubic", align_corners=True)
    moved = field * each(strength) * 2 / SIDE
    x, y = _identity(pixels)
    return _resampled(pixels, torch.stack([x + moved[:, 0], y + moved[:, 1]], 3))


def zoom_blur(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:
    """Average the picture with enlargements of itself up to a factor of 1 + ``strength``, as ImageNet-C does."""
    total = pixels
    for step in range(1, _ZOOMS):
        total = total + crop(pixels, 1 / (1 + strength * step / (_ZOOMS - 1)), generator)
    return total / _ZOOMS
