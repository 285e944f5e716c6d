"""Values joined into one, and one taken apart."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from torch.fx import Node

from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import dtype_of, given, tail_of
from fer_deploy.targets.litert.converter.operators.quantization import on_grid
from fer_deploy.targets.litert.converter.operators.views import sliced
from fer_deploy.targets.litert.converter.values import Value, plain


@handles("aten.cat.default", "aten.concat.default", "aten.concatenate.default")
def join(low: Lowering, node: Node) -> Value:
    """Values one after the other along an axis; of int8 where all are and the result has a grid."""
    items, axis = given(node, None, node.kwargs.get("dim", 0))
    values = [low.value(item) for item in items]
    return _joined(low, node, [value for value in values if 0 not in value.shape], axis)


def _joined(low: Lowering, node: Node, values: Sequence[Value], axis: Any) -> Value:
    meta, tail = low.meta(node), tail_of(node)
    axis = int(axis) % len(meta.shape)
    whole = tail.grid is not None and all(value.grid is not None for value in values)
    if whole and tail.grid is not None:
        values = [on_grid(low, value, tail.grid) for value in values]
    else:
        values = [low.cast(low.real(value), dtype_of(meta.dtype)) for value in values]
        tail = tail.in_float()
    rank = len(meta.shape)
    layout = next(
        (one.layout for one in values if one.constant is None and one.layout != plain(rank)),
        plain(rank),
    )
    result = low.emit(
        "CONCATENATION", [low.held(value, layout) for value in values], meta.shape, dtype_of(meta.dtype),
        "ConcatenationOptions", layout=layout, grid=tail.grid if whole else None, axis=layout.index(axis),
    )  # fmt: skip
    return low.ended(result, tail, 0)


@handles("aten.stack.default")
def stack(low: Lowering, node: Node) -> Value:
    """Values along an axis of their own."""
    items, axis = given(node, None, node.kwargs.get("dim", 0))
    axis %= len(low.meta(node).shape)
    values = [low.value(item) for item in items]
    wider = [low.reshaped(value, (*value.shape[:axis], 1, *value.shape[axis:])) for value in values]
    return _joined(low, node, wider, axis)


@handles("aten.split.Tensor", "aten.split_with_sizes.default", "aten.chunk.default", "aten.split.sizes",
         "aten.split.default", "aten.unsafe_split.Tensor", "aten.tensor_split.sections")  # fmt: skip
def split(low: Lowering, node: Node) -> list[Value]:
    """One value in parts along an axis; torch has worked out how long each is."""
    source, _, axis = given(node, None, None, node.kwargs.get("dim", 0))
    value = low.value(source)
    axis %= value.rank
    parts, start = [], 0
    for one in node.meta["val"]:
        parts.append(sliced(low, value, axis, start, start + one.shape[axis]))
        start += one.shape[axis]
    return parts


@handles("aten.unbind.int")
def unbind(low: Lowering, node: Node) -> list[Value]:
    """Every index along an axis, which is then gone."""
    source, axis = given(node, None, node.kwargs.get("dim", 0))
    value = low.value(source)
    axis %= value.rank
    return [
        low.reshaped(sliced(low, value, axis, index, index + 1), one.shape)
        for index, one in enumerate(node.meta["val"])
    ]


def get_item(low: Lowering, node: Node) -> Value:
    """One of several values."""
    source, index = node.args
    assert isinstance(source, Node)
    assert isinstance(index, int)
    values = low.values[source]
    assert isinstance(values, list)
    return values[index]


handles(str(operator.getitem))(get_item)
