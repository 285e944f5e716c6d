"""Operators that only move elements: shapes, orders of axes, slices, paddings. What is quantized stays so."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import dtype_of, given
from fer_deploy.targets.litert.converter.values import Value

_LOWEST = float(np.finfo(np.float32).min)


@handles("aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.flatten.using_ints",
         "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims", "aten.unsqueeze.default",
         "aten.unflatten.int", "aten.view_copy.default")  # fmt: skip
def reshape(low: Lowering, node: Node) -> Value:
    """The same elements in another shape, which torch has worked out."""
    return low.reshaped(low.value(node.args[0]), low.meta(node).shape)


@handles(
    "aten.permute.default",
    "aten.transpose.int",
    "aten.t.default",
    "aten.numpy_T.default",
    "aten.movedim.int",
)
def permute(low: Lowering, node: Node) -> Value:
    """Another order of axes: read off what torch does to the numbers of the axes."""
    value = low.value(node.args[0])
    # sides that tell the axes apart, whatever the operator's way of naming them
    probe = torch.empty(tuple(range(2, value.rank + 2)), device="meta")
    assert callable(node.target)
    moved = node.target(probe, *node.args[1:], **node.kwargs)
    return low.permuted(value, [side - 2 for side in moved.shape])


def sliced(low: Lowering, value: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    """Return a part of a value along one axis."""
    length = len(range(start, stop, step))
    if length == value.shape[axis]:
        return value
    shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
    if value.constant is not None:
        index = [slice(None)] * value.rank
        index[axis] = slice(start, stop, step)
        return Value(shape, value.dtype, value.grid, value.constant[tuple(index)])
    begin, end, strides = [0] * value.rank, list(value.shape), [1] * value.rank
    begin[axis], end[axis], strides[axis] = start, stop, step
    layout = value.layout
    numbers = [low.numbers([one[position] for position in layout]) for one in (begin, end, strides)]
    return low.emit(
        "STRIDED_SLICE", [low.held(value, layout), *numbers], shape, value.dtype, "StridedSliceOptions",
        layout=layout, grid=value.grid,
    )  # fmt: skip


@handles("aten.slice.Tensor")
def slices(low: Lowering, node: Node) -> Value:
    """A part along one axis, with Python's way of counting from the end."""
    items = given(node, None, 0, None, None, 1)
    value = low.value(items[0])
    axis = items[1] % value.rank
    start, stop, step = slice(items[2], items[3], items[4]).indices(value.shape[axis])
    return sliced(low, value, axis, start, stop, step)


@handles("aten.narrow.default", "aten.narrow.int")
def narrow(low: Lowering, node: Node) -> Value:
    """So many elements along one axis."""
    source, axis, start, length = given(node)
    value = low.value(source)
    return sliced(low, value, axis % value.rank, start, start + length)


@handles("aten.select.int")
def select(low: Lowering, node: Node) -> Value:
    """One index along an axis, which is then gone."""
    arguments = given(node)
    value = low.value(arguments[0])
    axis = arguments[1] % value.rank
    index = arguments[2] % value.shape[axis]
    return low.reshaped(sliced(low, value, axis, index, index + 1), low.meta(node).shape)


def padded(low: Lowering, value: Value, sides: Sequence[tuple[int, int]], fill: float = 0.0) -> Value:
    """Return a value with more elements before and after along its axes; fewer where a number is negative.

    Args:
        low: the lowering.
        value: of float, or on a grid, on which it stays.
        sides: before and after, for each axis.
        fill: what the new elements are; -inf is the least that the value can be.
    """
    for axis, (before, after) in enumerate(sides):
        if before < 0 or after < 0:
            value = sliced(low, value, axis, max(-before, 0), value.shape[axis] - max(-after, 0))
    sides = [(max(before, 0), max(after, 0)) for before, after in sides]
    if not any(map(any, sides)):
        return value
    shape = [side + sum(more) for side, more in zip(value.shape, sides, strict=True)]
    layout = value.layout
    tensors = [
        low.held(value, layout),
        low.numbers(np.array([sides[axis] for axis in layout])),
    ]
    if fill == 0:
        return low.emit(
            "PAD",
            tensors,
            shape,
            value.dtype,
            "PadOptions",
            layout=layout,
            grid=value.grid,
        )
    if value.grid is not None:
        filling = low.writer.constant(np.array([value.grid.integer(fill)], np.int8), grid=value.grid)
    elif value.dtype == "float32":
        finite = fill if math.isfinite(fill) else math.copysign(-_LOWEST, fill)
        filling = low.writer.constant(np.array([finite], np.float32))
    else:
        raise TargetError(f"padding {value.dtype} values with {fill} is not written for LiteRT")
    return low.emit(
        "PADV2",
        [*tensors, filling],
        shape,
        value.dtype,
        "PadV2Options",
        layout=layout,
        grid=value.grid,
    )


def torch_sides(value: Value, numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return torch's list of paddings, the last axis first, axis by axis."""
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))[::-1]
    return [(0, 0)] * (value.rank - len(pairs)) + pairs


@handles("aten.constant_pad_nd.default", "aten.pad.default")
def pad(low: Lowering, node: Node) -> Value:
    """Padding with a number; a value on a grid keeps it where the grid has that number."""
    arguments = given(node)
    mode = arguments[2] if "aten.pad." in str(node.target) and len(arguments) > 2 else "constant"
    if mode != "constant":
        return _mirrored(low, node, mode)
    place = 3 if "aten.pad." in str(node.target) else 2
    fill = float(arguments[place] or 0) if len(arguments) > place else 0.0
    value = low.value(arguments[0])
    if value.grid is not None and fill != 0:
        value = low.real(value)
    return padded(low, value, torch_sides(value, arguments[1]), fill)


@handles("aten.reflection_pad2d.default", "aten.reflection_pad1d.default", "aten.replication_pad2d.default",
         "aten.replication_pad1d.default")  # fmt: skip
def mirrored(low: Lowering, node: Node) -> Value:
    """Padding with what is inside, read backwards or repeated."""
    return _mirrored(low, node, "reflect" if "reflection" in str(node.target) else "replicate")


def _mirrored(low: Lowering, node: Node, mode: str) -> Value:
    source, numbers = given(node)[:2]
    value = low.value(source)
    sides = torch_sides(value, numbers)
    positions = [
        torch.nn.functional.pad(torch.arange(side, dtype=torch.float32)[None, None], list(more), mode)[0, 0]
        if any(more)
        else None
        for side, more in zip(value.shape, sides, strict=True)
    ]
    for axis, chosen in enumerate(positions):
        if chosen is not None:
            value = taken(low, value, axis, [int(one) for one in chosen])
    return value


def taken(low: Lowering, value: Value, axis: int, indices: Sequence[int]) -> Value:
    """Return the elements at constant indices along an axis, in their order."""
    shape = (*value.shape[:axis], len(indices), *value.shape[axis + 1 :])
    layout = value.layout
    return low.emit(
        "GATHER", [low.held(value, layout), low.numbers(indices)], shape, value.dtype, "GatherOptions",
        layout=layout, grid=value.grid, axis=layout.index(axis),
    )  # fmt: skip


@handles("aten.expand.default", "aten.expand_as.default")
def expand(low: Lowering, node: Node) -> Value:
    """The same elements over again along axes of one: left to operators that broadcast where the rank allows it."""
    value, shape = low.value(node.args[0]), tuple(low.meta(node).shape)
    if value.rank < len(shape):
        value = low.reshaped(value, (1,) * (len(shape) - value.rank) + value.shape)
    times = [goal // side for goal, side in zip(shape, value.shape, strict=True)]
    return tiled(low, value, times)


@handles("aten.copy.default")
def copied(low: Lowering, node: Node) -> Value:
    """The second value in the place, shape and type of the first."""
    value, meta = low.value(node.args[1]), low.meta(node)
    if low.real(value).dtype != dtype_of(meta.dtype):
        value = low.cast(value, dtype_of(meta.dtype))
    value = low.reshaped(value, (1,) * (len(meta.shape) - value.rank) + value.shape)
    return tiled(
        low,
        value,
        [goal // side for goal, side in zip(meta.shape, value.shape, strict=True)],
    )


def tiled(low: Lowering, value: Value, times: Sequence[int]) -> Value:
    """Return a value repeated so many times along its axes."""
    if all(one == 1 for one in times):
        return value
    layout = value.layout
    shape = [side * one for side, one in zip(value.shape, times, strict=True)]
    tensors = [low.held(value, layout), low.numbers([times[axis] for axis in layout])]
    return low.emit(
        "TILE",
        tensors,
        shape,
        value.dtype,
        "TileOptions",
        layout=layout,
        grid=value.grid,
    )


@handles("aten.repeat.default")
def repeat(low: Lowering, node: Node) -> Value:
    """A value laid beside itself along its axes."""
    source, times = given(node)
    value = low.value(source)
    value = low.reshaped(value, (1,) * (len(times) - value.rank) + value.shape)
    return tiled(low, value, times)


@handles("aten.flip.default")
def flip(low: Lowering, node: Node) -> Value:
    """Axes read backwards, one after the other."""
    source, axes = given(node)
    value = low.value(source)
    for axis in axes:
        value = taken(low, value, axis % value.rank, range(value.shape[axis])[::-1])
    return value


@handles("aten.roll.default")
def roll(low: Lowering, node: Node) -> Value:
    """Elements moved along axes, those that leave come back at the other end."""
    arguments = given(node)
    value = low.value(arguments[0])
    axes = arguments[2] if len(arguments) > 2 else []
    if not axes:
        raise TargetError("torch.roll over the flattened value is not written for LiteRT; name its axes")
    for shift, axis in zip(arguments[1], axes, strict=True):
        side = value.shape[axis % value.rank]
        value = taken(
            low,
            value,
            axis % value.rank,
            [(index - shift) % side for index in range(side)],
        )
    return value


@handles(
    "aten.pixel_shuffle.default",
    "aten.pixel_unshuffle.default",
    "aten.channel_shuffle.default",
)
def shuffle(low: Lowering, node: Node) -> Value:
    """Channels to places, places to channels, channels among themselves: in six axes, moved and joined."""
    source, factor = given(node)
    value, name = low.value(source), str(node.target)
    n, c, h, w = value.shape
    if name.startswith("aten.channel"):
        chosen = torch.arange(c).reshape(factor, -1).t().reshape(-1).tolist()
        return taken(low, value, 1, chosen)
    if "unshuffle" in name:
        apart, order = (
            (n, c, h // factor, factor, w // factor, factor),
            (0, 1, 3, 5, 2, 4),
        )
    else:
        apart, order = (n, c // factor**2, factor, factor, h, w), (0, 1, 4, 2, 5, 3)
    return low.reshaped(low.permuted(low.reshaped(value, apart), order), low.meta(node).shape)
