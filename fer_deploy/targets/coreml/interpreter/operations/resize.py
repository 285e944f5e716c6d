"""Resizing of the last two dimensions, separably: one sampling grid per dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter.table import Ints, ints, operation


def sampling_grid(size: int, wanted: int, mode: str) -> Tensor:
    """Return the source positions, float64 (wanted,), of a MIL ``sampling_mode`` (resize_bilinear's notes)."""
    index = torch.arange(wanted, dtype=torch.float64)
    steps = max(wanted - 1, 1)
    if mode == "ALIGN_CORNERS" and wanted == 1:
        grid = torch.full((1,), (size - 1) / 2, dtype=torch.float64)
    elif mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        grid = index * ((size - 1) / steps)
    elif mode == "DEFAULT":
        grid = index * ((size - size / wanted) / steps)
    elif mode == "OFFSET_CORNERS":
        delta = max(1, size - 1) / wanted
        grid = 0.5 * delta + index * delta
    elif mode == "UNALIGN_CORNERS":
        spacing = size / wanted
        grid = index * spacing + 0.5 * spacing - 0.5
    else:
        raise TargetError(f"cannot execute a resize with the unknown sampling mode '{mode}'")
    return grid.clamp(0, size - 1)


def _linear(x: Tensor, axis: int, grid: Tensor) -> Tensor:
    low = grid.floor().long()
    high = (low + 1).clamp(max=x.shape[axis] - 1)
    shape = [1] * x.ndim
    shape[axis] = -1
    weight = (grid - low).to(x.dtype).reshape(shape)
    return x.index_select(axis, low) * (1 - weight) + x.index_select(axis, high) * weight


def _nearest(x: Tensor, axis: int, wanted: int) -> Tensor:
    size = x.shape[axis]
    return x.index_select(axis, torch.arange(wanted) * size // wanted)


def _bilinear(x: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    for axis, wanted in ((x.ndim - 2, size[0]), (x.ndim - 1, size[1])):
        x = _linear(x, axis, sampling_grid(x.shape[axis], wanted, mode))
    return x


@operation("resize_bilinear")
def resize_bilinear(
    x: Tensor, target_size_height: int = 1, target_size_width: int = 1, sampling_mode: str = "DEFAULT"
) -> Tensor:
    """Interpolate to a size."""
    return _bilinear(x, (target_size_height, target_size_width), sampling_mode)


@operation("resize_nearest_neighbor")
def resize_nearest_neighbor(x: Tensor, target_size_height: int, target_size_width: int) -> Tensor:
    """Repeat or drop rows and columns to a size."""
    return _nearest(_nearest(x, x.ndim - 2, target_size_height), x.ndim - 1, target_size_width)


@operation("upsample_nearest_neighbor")
def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Tensor:
    """Repeat rows and columns by a factor."""
    height = math.floor(x.shape[-2] * scale_factor_height)
    width = math.floor(x.shape[-1] * scale_factor_width)
    return resize_nearest_neighbor(x, height, width)


@operation("upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    """Interpolate by a factor."""
    half = not align_corners if half_pixel_centers is None else half_pixel_centers
    if align_corners and half:
        raise TargetError("cannot execute upsample_bilinear with aligned corners and half-pixel centres")
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS" if half else "DEFAULT"
    height = math.floor(x.shape[-2] * scale_factor_height)
    width = math.floor(x.shape[-1] * scale_factor_width)
    return _bilinear(x, (height, width), mode)


@operation("resize")
def resize(
    x: Tensor,
    shape: Ints,
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """Interpolate the last ``resized_dims`` dimensions to the last entries of ``shape``; 0 keeps one."""
    for offset, wanted in enumerate(reversed(ints(shape)[-int(resized_dims) :])):
        axis = x.ndim - 1 - offset
        size = wanted or x.shape[axis]
        if interpolation_mode == "LINEAR":
            x = _linear(x, axis, sampling_grid(x.shape[axis], size, sampling_mode))
        elif sampling_mode == "DEFAULT":
            x = _nearest(x, axis, size)
        else:
            raise TargetError(
                f"cannot execute resize with nearest neighbours and sampling mode {sampling_mode}: "
                "how it rounds is not documented"
            )
    return x
