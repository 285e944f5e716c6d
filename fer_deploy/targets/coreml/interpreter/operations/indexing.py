"""Slices, gathers and tensors made from numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter.table import Ints, Operand, ints, operation, tensor

Flags = Tensor | Sequence[bool] | None


def _flags(mask: Flags, rank: int) -> list[bool]:
    return [False] * rank if mask is None else [bool(item) for item in mask]


@operation("slice_by_index")
def slice_by_index(
    x: Tensor,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Flags = None,
    end_mask: Flags = None,
    squeeze_mask: Flags = None,
) -> Tensor:
    """Return numpy's ``x[begin:end:stride]`` per dimension; masks ignore a bound or index instead."""
    rank = x.ndim
    steps = ints(stride) if stride is not None else [1] * rank
    squeezed = _flags(squeeze_mask, rank)
    bounds = zip(ints(begin), ints(end), steps, _flags(begin_mask, rank), _flags(end_mask, rank), strict=True)
    for axis, (first, last, step, from_start, to_end) in enumerate(bounds):
        size = x.shape[axis]
        if squeezed[axis]:
            x = x.narrow(axis, first % size, 1)
            continue
        chosen = range(size)[slice(None if from_start else first, None if to_end else last, step)]
        x = _take(x, axis, chosen)
    dropped = tuple(axis for axis in range(rank) if squeezed[axis])
    return x.squeeze(dropped) if dropped else x


def _take(x: Tensor, axis: int, chosen: range) -> Tensor:
    """Return the elements of ``x`` at an arithmetic series of positions along ``axis``."""
    if chosen.step == 1:
        return x.narrow(axis, chosen.start if len(chosen) else 0, len(chosen))
    return x.index_select(axis, torch.tensor(list(chosen), dtype=torch.int64))


@operation("slice_by_size")
def slice_by_size(x: Tensor, begin: Ints, size: Ints) -> Tensor:
    """Return ``size`` elements from ``begin`` per dimension; -1 takes all that follow."""
    for axis, (first, count) in enumerate(zip(ints(begin), ints(size), strict=True)):
        start = first % x.shape[axis] if first < 0 else first
        x = x.narrow(axis, start, x.shape[axis] - start if count == -1 else count)
    return x


@operation("crop")
def crop(x: Tensor, crop_height: Ints, crop_width: Ints) -> Tensor:
    """Cut rows and columns off the borders of the last two dimensions."""
    (top, bottom), (left, right) = ints(crop_height), ints(crop_width)
    height, width = x.shape[-2], x.shape[-1]
    return x.narrow(-2, top, height - top - bottom).narrow(-1, left, width - left - right)


def _from_the_front(indices: Tensor, size: int) -> Tensor:
    """Return indices as int64, those that count from the end of ``size`` elements counted from the front."""
    where = indices.long()
    return torch.where(where < 0, where + size, where)


@operation("gather")
def gather(
    x: Tensor, indices: Operand, axis: int = 0, batch_dims: int = 0, validate_indices: bool = False
) -> Tensor:
    """Return slices of ``x`` at ``indices`` along ``axis``, whose place the indices' dimensions take."""
    del validate_indices  # an index out of range fails here anyway
    axis = axis % x.ndim
    where = _from_the_front(tensor(indices), x.shape[axis])
    if batch_dims == 0:
        taken = torch.index_select(x, axis, where.reshape(-1))
        return taken.reshape(*x.shape[:axis], *where.shape, *x.shape[axis + 1 :])
    inner = torch.func.vmap(lambda a, i: gather(a, i, axis - 1, batch_dims - 1))
    result: Tensor = inner(x, where)
    return result


@operation("gather_along_axis")
def gather_along_axis(x: Tensor, indices: Tensor, axis: int = 0, validate_indices: bool = False) -> Tensor:
    """Return the element at ``indices`` along ``axis`` for every other position."""
    del validate_indices  # an index out of range fails here anyway
    return torch.take_along_dim(x, _from_the_front(indices, x.shape[axis]), axis)


@operation("scatter")
def scatter(
    data: Tensor,
    indices: Operand,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Tensor:
    """Return ``data`` with ``updates`` written to, or added at, the slices at ``indices`` along ``axis``."""
    del validate_indices  # an index out of range fails here anyway
    axis = axis % data.ndim
    where = _from_the_front(tensor(indices), data.shape[axis]).reshape(-1)
    size = [*data.shape[:axis], len(where), *data.shape[axis + 1 :]]
    return _written(
        data,
        updates.reshape(size),
        axis,
        where.reshape([-1 if d == axis else 1 for d in range(data.ndim)]).expand(size),
        mode,
    )


@operation("scatter_along_axis")
def scatter_along_axis(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: int = 0,
    mode: str = "add",
    validate_indices: bool = False,
) -> Tensor:
    """Return ``data`` with each of ``updates`` written to, or added at, its own index along ``axis``."""
    del validate_indices  # an index out of range fails here anyway
    return _written(data, updates, axis, _from_the_front(indices, data.shape[axis]), mode)


def _written(data: Tensor, updates: Tensor, axis: int, where: Tensor, mode: str) -> Tensor:
    if mode == "update":
        return data.scatter(axis, where, updates.to(data.dtype))
    if mode == "add":
        return data.scatter_add(axis, where, updates.to(data.dtype))
    raise TargetError(f"cannot execute a Core ML scatter whose mode is {mode!r}: only add and update")


@operation("band_part")
def band_part(x: Tensor, lower: int = -1, upper: int = -1) -> Tensor:
    """Keep a band around the diagonal of the last two dimensions; negative keeps that whole side."""
    row, column = torch.arange(x.shape[-2]).unsqueeze(1), torch.arange(x.shape[-1]).unsqueeze(0)
    inside = ((lower < 0) | (row - column <= lower)) & ((upper < 0) | (column - row <= upper))
    return torch.where(inside, x, torch.zeros((), dtype=x.dtype))


@operation("fill")
def fill(shape: Ints, value: float = 0.0) -> Tensor:
    """Return a tensor of one value."""
    return torch.full(ints(shape), value)


@operation("fill_like")
def fill_like(ref_tensor: Tensor, value: float = 0.0) -> Tensor:
    """Return a tensor of one value with the shape of another."""
    return torch.full(list(ref_tensor.shape), value)


@operation("range_1d")
def range_1d(start: Operand, end: Operand, step: Operand) -> Tensor:
    """Return start, start + step, ... before ``end``."""
    return torch.arange(tensor(start).item(), tensor(end).item(), tensor(step).item())


@operation("one_hot")
def one_hot(
    indices: Tensor,
    one_hot_vector_size: Operand,
    axis: int = -1,
    on_value: float = 1,
    off_value: float = 0,
) -> Tensor:
    """Return ``on_value`` at each index along a new dimension at ``axis``, ``off_value`` elsewhere."""
    size = int(tensor(one_hot_vector_size).item())
    axis = axis % (indices.ndim + 1)
    positions = torch.arange(size).reshape([-1 if d == axis else 1 for d in range(indices.ndim + 1)])
    return torch.where(indices.unsqueeze(axis) == positions, tensor(on_value), tensor(off_value))
