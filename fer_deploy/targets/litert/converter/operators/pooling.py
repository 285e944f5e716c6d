"""Pools: greatest elements and means of windows, and of whole maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import given, tail_of
from fer_deploy.targets.litert.converter.operators.arithmetic import binary
from fer_deploy.targets.litert.converter.operators.views import padded, sliced
from fer_deploy.targets.litert.converter.values import CHANNELS_LAST, Value

_VALID = 1


@handles("aten.max_pool2d.default")
def max_pool(low: Lowering, node: Node) -> Value:
    """The greatest element of each window; a value on a grid stays on it."""
    return _max_pool(low, node, low.meta(node).shape)


@handles("aten.max_pool2d_with_indices.default")
def max_pool_with_places(low: Lowering, node: Node) -> list[Value]:
    """The same; where the greatest elements stand is not written, and must not be asked for.

    Raises:
        TargetError: it is asked for.
    """
    if any(user.args[1] != 0 for user in node.users):
        raise TargetError("LiteRT's MAX_POOL_2D does not say where the greatest elements stand")
    return [_max_pool(low, node, node.meta["val"][0].shape)]


def _max_pool(low: Lowering, node: Node, shape: Sequence[int]) -> Value:
    items = given(node, None, None, [], [0], [1], False)
    value = low.value(items[0])
    kernel, stride, padding, dilation = (
        _pair(one) for one in (items[1], items[2] or items[1], items[3], items[4])
    )
    value = _flat_batch(low, value)
    value = padded(
        low,
        value,
        _sides(value, shape[-2:], kernel, stride, padding, dilation),
        -math.inf,
    )
    if dilation != (1, 1):
        return low.reshaped(_by_slices(low, value, shape[-2:], kernel, stride, dilation), shape)
    return low.reshaped(_pooled(low, "MAX_POOL_2D", value, shape[-2:], kernel, stride), shape)


def _pooled(
    low: Lowering,
    kind: str,
    value: Value,
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
) -> Value:
    return low.emit(
        kind, [low.held(value, CHANNELS_LAST)], (*value.shape[:2], *sides), value.dtype, "Pool2DOptions",
        layout=CHANNELS_LAST, grid=value.grid, padding=_VALID, strideH=stride[0], strideW=stride[1],
        filterHeight=kernel[0], filterWidth=kernel[1],
    )  # fmt: skip


def _by_slices(
    low: Lowering,
    value: Value,
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Value:
    """Return the greatest of what stands at each place of a window whose places are apart."""
    value = low.real(value)
    result: Value | None = None
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            part = value
            for axis, first in ((2, row * dilation[0]), (3, column * dilation[1])):
                move, length = stride[axis - 2], sides[axis - 2]
                part = sliced(low, part, axis, first, first + (length - 1) * move + 1, move)
            result = part if result is None else binary(low, "MAXIMUM", result, part, part.shape)
    assert result is not None
    return result


def _sides(
    value: Value, sides: Sequence[int], kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int] = (1, 1),
) -> list[tuple[int, int]]:  # fmt: skip
    """Return how much stands before and behind a map so that windows make ``sides`` of it, however torch rounds."""
    found = [(0, 0)] * (value.rank - 2)
    for side, goal, length, move, pad, step in zip(
        value.shape[-2:], sides, kernel, stride, padding, dilation, strict=True
    ):
        needed = (goal - 1) * move + step * (length - 1) + 1
        found.append((pad, max(needed - side - pad, 0)))
    return found


@handles("aten.avg_pool2d.default")
def average_pool(low: Lowering, node: Node) -> Value:
    """The mean of each window. Where some count fewer elements than the window has, in float and corrected."""
    items = given(node, None, None, [], [0], False, True, None)
    kernel, stride, padding = (_pair(one) for one in (items[1], items[2] or items[1], items[3]))
    shape = low.meta(node).shape
    value = low.value(items[0])
    if kernel == tuple(value.shape[-2:]) and padding == (0, 0) and items[6] is None:
        return _whole_mean(low, node, value)
    # what torch divides by, from a map of ones: 1 wherever a window lies wholly in the map, or padding counts
    ones = torch.ones(1, 1, *value.shape[-2:], dtype=torch.float64)
    counted = torch.nn.functional.avg_pool2d(
        ones, kernel, stride, padding, bool(items[4]), bool(items[5]), items[6]
    )
    sides = _sides(value, shape[-2:], kernel, stride, padding)
    exact = all(before == after == 0 for before, after in sides)
    if not exact or items[6] is not None:
        value = low.cast(low.real(value), "float32")
    value = _flat_batch(low, value)
    result = _pooled(
        low,
        "AVERAGE_POOL_2D",
        padded(low, value, [(0, 0), *sides][-4:], 0.0),
        shape[-2:],
        kernel,
        stride,
    )
    if not exact or items[6] is not None:
        within = torch.nn.functional.pad(ones, [side for pair in sides[::-1][:2] for side in pair])
        mine = torch.nn.functional.avg_pool2d(within, kernel, stride)[..., : shape[-2], : shape[-1]]
        factor = (counted / mine).float()
        if not bool((factor == 1).all()):
            result = binary(
                low,
                "MUL",
                result,
                Value(tuple(factor.shape), "float32", constant=factor),
                result.shape,
            )
    return low.reshaped(result, shape)


@handles("aten.avg_pool3d.default")
def average_of_layers(low: Lowering, node: Node) -> Value:
    """Means of neighbours along the first of three axes, as local response normalisation takes them.

    Raises:
        TargetError: the window is wider than one along the other two, or there is padding.
    """
    items = given(node, None, None, [], [0], False, True, None)
    (deep, *flat), stride = items[1], items[2] or items[1]
    if flat != [1, 1] or any(items[3]) or items[4] or items[6] is not None or list(stride) != [1, 1, 1]:
        raise TargetError(
            "LiteRT has no pool of volumes; only means along the first of their axes are written"
        )
    value = low.cast(low.real(items[0]), "float32")
    n, c, d, h, w = value.shape
    result = _pooled(
        low,
        "AVERAGE_POOL_2D",
        low.reshaped(value, (n, c, d, h * w)),
        (d - deep + 1, h * w),
        (deep, 1),
        (1, 1),
    )
    return low.reshaped(result, low.meta(node).shape)


@handles("aten.adaptive_avg_pool2d.default", "aten._adaptive_avg_pool2d.default")
def adaptive_pool(low: Lowering, node: Node) -> Value:
    """Means of as many windows as asked for; those of whole maps by MEAN, which XNNPACK takes in int8 too."""
    value = low.value(node.args[0])
    height, width = low.meta(node).shape[-2:]
    if (height, width) == (1, 1):
        return _whole_mean(low, node, value)
    rows, columns = value.shape[-2:]
    if rows % height or columns % width:
        from fer_deploy.targets.litert.converter.operators.resizing import by_matrices

        return by_matrices(low, node, low.cast(low.real(value), "float32"))
    kernel = (rows // height, columns // width)
    pooled = _pooled(low, "AVERAGE_POOL_2D", _flat_batch(low, value), (height, width), kernel, kernel)
    return low.reshaped(pooled, low.meta(node).shape)


def _whole_mean(low: Lowering, node: Node, value: Value) -> Value:
    """Return the mean of each whole map. Of int8, MEAN rounds halves to even as the graph does, the pool upwards."""
    tail = tail_of(node)
    whole = value.grid is not None and tail.grid is not None
    if not whole:
        value, tail = low.cast(low.real(value), "float32"), tail.in_float()
    layout = CHANNELS_LAST if value.rank == 4 else value.layout
    axes = low.numbers([layout.index(value.rank - 2), layout.index(value.rank - 1)])
    result = low.emit(
        "MEAN", [low.held(value, layout), axes], low.meta(node).shape, "float32", "ReducerOptions",
        layout=layout, grid=tail.grid if whole else None, keepDims=True,
    )  # fmt: skip
    return low.ended(result, tail, 0)


def _flat_batch(low: Lowering, value: Value) -> Value:
    """Return a map with a batch."""
    if value.rank == 4:
        return value
    if value.rank == 3:
        return low.reshaped(value, (1, *value.shape))
    raise TargetError(f"a pool of {value.rank} axes is not written for LiteRT")


def _pair(item: Any) -> tuple[int, int]:
    one = tuple(item) if isinstance(item, (list, tuple)) else (item,)
    return (one[0], one[0]) if len(one) == 1 else (one[0], one[1])
