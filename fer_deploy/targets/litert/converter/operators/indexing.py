"""Elements chosen by their numbers, known beforehand or worked out from the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import given
from fer_deploy.targets.litert.converter.operators.arithmetic import binary, together
from fer_deploy.targets.litert.converter.operators.views import taken
from fer_deploy.targets.litert.converter.values import Value, plain


@handles("aten.index_select.default")
def index_select(low: Lowering, node: Node) -> Value:
    """Elements along an axis by constant numbers."""
    source, axis, numbers = given(node)
    value, chosen = low.value(source), low.value(numbers).constant
    if chosen is None:
        raise TargetError("index_select by numbers that come from the image is not written for LiteRT")
    side = value.shape[axis % value.rank]
    return taken(low, value, axis % value.rank, [int(one) % side for one in chosen])


@handles("aten.index.Tensor", "aten._unsafe_index.Tensor")
def index(low: Lowering, node: Node) -> Value:
    """Advanced indexing: one list of constant numbers along one axis, or numbers for the leading axes."""
    source, items = given(node)
    value = low.value(source)
    chosen = [(axis, low.real(item)) for axis, item in enumerate(items) if item is not None]
    if any(one.dtype == "bool" for _, one in chosen):
        raise TargetError(
            "indexing by conditions makes a shape of the image's values: LiteRT has no operator for it"
        )
    axis, first = chosen[0]
    if len(chosen) == 1 and first.rank == 1 and first.constant is not None:
        side = value.shape[axis]
        return taken(low, value, axis, [int(one) % side for one in first.constant])
    axes = [axis for axis, _ in chosen]
    if axes != list(range(axes[0], axes[0] + len(axes))):
        raise TargetError("indexing by numbers for axes that are apart is not written for LiteRT")
    return _gathered(low, value, [one for _, one in chosen], axes, low.meta(node).shape)


def _gathered(
    low: Lowering,
    value: Value,
    numbers: Sequence[Value],
    axes: Sequence[int],
    shape: Sequence[int],
) -> Value:
    """Return what stands at the numbers, those of several axes broadcast with each other."""
    common = tuple(np.broadcast_shapes(*(one.shape for one in numbers)))
    columns = []
    for axis, one in zip(axes, numbers, strict=True):
        column = _not_negative(low, one, value.shape[axis])
        (tensor,), layout = together(low, [column], common)
        wide = Value(
            (1,) * (len(common) - column.rank) + column.shape,
            "int32",
            constant=column.constant,
        )
        if column.constant is None:
            wide.held = {layout: tensor}
        else:
            wide.constant = column.constant.reshape(wide.shape)
        full = binary(
            low,
            "ADD",
            wide,
            Value(common, "int32", constant=torch.zeros(common, dtype=torch.int64)),
            common,
            "int32",
        )
        columns.append(low.held(low.reshaped(full, (*common, 1)), plain(len(common) + 1)))
    joined = columns[0]
    if len(columns) > 1:
        whole = low.emit(
            "CONCATENATION",
            columns,
            (*common, len(columns)),
            "int32",
            "ConcatenationOptions",
            axis=len(common),
        )
        joined = low.held(whole, plain(len(common) + 1))
    # GATHER_ND reads the leading axes: others are moved behind them, and back
    before = list(range(axes[0]))
    rest = [axis for axis in range(value.rank) if axis not in axes]
    moved = low.permuted(value, [*axes, *rest])
    result_shape = (*common, *(value.shape[axis] for axis in rest))
    found = low.emit(
        "GATHER_ND", [low.held(moved, plain(value.rank)), joined], result_shape, value.dtype, "GatherNdOptions",
        grid=value.grid,
    )  # fmt: skip
    count = len(common)
    order = [
        *range(count, count + len(before)),
        *range(count),
        *range(count + len(before), len(result_shape)),
    ]
    return low.reshaped(low.permuted(found, order), shape)


def _not_negative(low: Lowering, numbers: Value, side: int) -> Value:
    """Return numbers of elements as int32, those from the end counted from the beginning where they are constants."""
    if numbers.constant is not None:
        return Value(numbers.shape, "int32", constant=numbers.constant % side)
    return low.cast(numbers, "int32")


@handles("aten.gather.default")
def gather(low: Lowering, node: Node) -> Value:
    """Elements along one axis by a number for each element of the result."""
    arguments = given(node)
    value, axis, numbers = low.value(arguments[0]), arguments[1], low.real(arguments[2])
    axis %= value.rank
    columns = []
    for index, side in enumerate(numbers.shape):
        sides = [1] * numbers.rank
        sides[index] = -1
        own = Value((), "int32", constant=torch.arange(side).reshape(sides))
        own.shape = tuple(own.constant.shape)  # type: ignore[union-attr]
        columns.append(numbers if index == axis else own)
    return _gathered(low, value, columns, list(range(value.rank)), low.meta(node).shape)


@handles("aten.embedding.default")
def embedding(low: Lowering, node: Node) -> Value:
    """Rows of a table by their numbers."""
    table, numbers = low.value(node.args[0]), low.real(node.args[1])
    return _gathered(low, table, [numbers], [0], low.meta(node).shape)
