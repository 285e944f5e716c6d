"""Operations that move values or say where they are: reshape, transpose, concat, split, pad, blocks of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter.operations.products import pad_zeros
from fer_deploy.targets.coreml.interpreter.table import Ints, Operand, ints, operation, tensor


@operation("shape")
def shape(x: Tensor) -> Tensor:
    """Return the dimensions of ``x``."""
    return torch.tensor(list(x.shape), dtype=torch.int32)


@operation("reshape")
def reshape(x: Tensor, shape: Ints) -> Tensor:
    """Return ``x`` with another shape; 0 keeps a dimension, -1 takes what is left."""
    wanted = ints(shape)
    if len(wanted) == x.ndim:
        wanted = [size if size != 0 else x.shape[axis] for axis, size in enumerate(wanted)]
    return x.reshape(wanted)


@operation("reshape_like")
def reshape_like(
    x: Tensor,
    ref_tensors: Sequence[Tensor] | Tensor,
    begins: Sequence[int] | int,
    ends: Sequence[int] | int,
    end_masks: Sequence[bool] | bool,
) -> Tensor:
    """Return ``x`` with a shape put together from slices of other tensors' shapes."""
    references = [ref_tensors] if isinstance(ref_tensors, Tensor) else list(ref_tensors)
    masks = [end_masks] if isinstance(end_masks, bool) else list(end_masks)
    wanted: list[int] = []
    for reference, begin, end, mask in zip(references, ints(begins), ints(ends), masks, strict=True):
        wanted += list(reference.shape)[begin:] if mask else list(reference.shape)[begin:end]
    return x.reshape(wanted)


@operation("expand_dims")
def expand_dims(x: Operand, axes: Ints) -> Tensor:
    """Insert dimensions of size 1 so that they end up at ``axes``."""
    value = tensor(x)
    rank = value.ndim + len(ints(axes))
    for axis in sorted(axis % rank for axis in ints(axes)):
        value = value.unsqueeze(axis)
    return value


@operation("squeeze")
def squeeze(x: Tensor, axes: Ints | None = None) -> Tensor:
    """Remove dimensions of size 1: all, or those of ``axes``."""
    return x.squeeze() if axes is None else x.squeeze(tuple(ints(axes)))


@operation("transpose")
def transpose(x: Tensor, perm: Ints) -> Tensor:
    """Permute dimensions."""
    return x.permute(ints(perm))


@operation("flatten2d")
def flatten2d(x: Tensor, axis: int = 1) -> Tensor:
    """Return a matrix: dimensions before ``axis`` by the others."""
    split_at = axis % x.ndim if axis < 0 else axis
    rows = 1
    for size in x.shape[:split_at]:
        rows *= size
    return x.reshape(rows, -1)


@operation("concat")
def concat(values: Sequence[Operand] | Tensor, axis: int, interleave: bool = False) -> Tensor:
    """Concatenate along ``axis``, or interleave equally shaped tensors there."""
    parts = [values] if isinstance(values, Tensor) else [tensor(value) for value in values]
    parts = [part.reshape(1) if part.ndim == 0 else part for part in parts]
    axis = axis % parts[0].ndim
    if not interleave:
        return torch.cat(parts, axis)
    return torch.stack(parts, axis + 1).flatten(axis, axis + 1)


@operation("stack")
def stack(values: Sequence[Operand] | Tensor, axis: int) -> Tensor:
    """Join equally shaped tensors along a new dimension."""
    parts = [values] if isinstance(values, Tensor) else [tensor(value) for value in values]
    return torch.stack(parts, axis)


@operation("split")
def split(
    x: Tensor, axis: int, num_splits: int | None = None, split_sizes: Ints | None = None
) -> tuple[Tensor, ...]:
    """Cut ``x`` along ``axis`` into equal parts or parts of given sizes."""
    if split_sizes is not None:
        return tuple(torch.split(x, ints(split_sizes), axis))
    assert num_splits is not None
    return tuple(torch.split(x, x.shape[axis] // int(num_splits), axis))


@operation("tile")
def tile(x: Tensor, reps: Ints) -> Tensor:
    """Repeat ``x`` along each dimension."""
    return x.repeat(ints(reps))


@operation("reverse")
def reverse(x: Tensor, axes: Ints | None = None) -> Tensor:
    """Turn ``x`` around along ``axes``, or all of its dimensions."""
    return torch.flip(x, ints(axes) if axes is not None else list(range(x.ndim)))


@operation("pixel_shuffle")
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """Move groups of channels into blocks of pixels, channel-major as in torch."""
    n, c, h, w = x.shape
    f = upscale_factor
    return x.reshape(n, c // (f * f), f, f, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, -1, h * f, w * f)


@operation("pixel_unshuffle")
def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """Move blocks of pixels into channels: the inverse of pixel_shuffle."""
    n, c, h, w = x.shape
    f = int(downscale_factor)
    blocks = x.reshape(n, c, h // f, f, w // f, f).permute(0, 1, 3, 5, 2, 4)
    return blocks.reshape(n, c * f * f, h // f, w // f)


@operation("depth_to_space")
def depth_to_space(x: Tensor, block_size: int) -> Tensor:
    """Move groups of channels into blocks of pixels, block-major as in TensorFlow."""
    n, c, h, w = x.shape
    b = block_size
    return x.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, -1, h * b, w * b)


@operation("space_to_depth")
def space_to_depth(x: Tensor, block_size: int) -> Tensor:
    """Move blocks of pixels into channels, block-major: the inverse of depth_to_space."""
    n, c, h, w = x.shape
    b = block_size
    blocks = x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, c * b * b, h // b, w // b)


@operation("sliding_windows")
def sliding_windows(x: Tensor, axis: int, size: int, stride: int = 1) -> Tensor:
    """Return all windows of ``size`` along ``axis``, the window as the dimension after it."""
    axis = axis % x.ndim
    return x.unfold(axis, size, stride).movedim(-1, axis + 1)


@operation("pad")
def pad(x: Tensor, pad: Ints, mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    """Pad the last dimensions by (before, after) pairs with a constant, mirrored or repeated values."""
    flat = ints(pad)
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    if mode == "constant":
        return pad_zeros(x, pairs, float(constant_val))
    for axis, (before, after) in enumerate(pairs, start=x.ndim - len(pairs)):
        if before or after:
            positions = torch.arange(-before, x.shape[axis] + after)
            x = x.index_select(axis, _inside(positions, x.shape[axis], mode))
    return x


def _inside(positions: Tensor, size: int, mode: str) -> Tensor:
    last = size - 1
    if mode == "replicate":
        return positions.clamp(0, last)
    if mode == "reflect":
        return last - (last - positions.abs()).abs()
    raise TargetError(f"cannot execute pad with the unknown mode '{mode}'")
