"""Operators that make one element of many: sums, means, extremes, softmax, places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from ai_edge_litert import schema_py_generated as schema
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import dtype_of, given
from fer_deploy.targets.litert.converter.operators.arithmetic import binary, unary
from fer_deploy.targets.litert.converter.values import Value, plain

_KINDS = {
    "sum": "SUM", "mean": "MEAN", "amax": "REDUCE_MAX", "amin": "REDUCE_MIN", "prod": "REDUCE_PROD",
    "any": "REDUCE_ANY", "all": "REDUCE_ALL",
}  # fmt: skip


def reduced(low: Lowering, kind: str, value: Value, axes: Sequence[int], keep: bool) -> Value:
    """Return a value with some axes made one, or taken away, by one of the schema's reductions."""
    axes = sorted({int(axis) % value.rank for axis in axes}) if value.rank else []
    shape = tuple(1 if axis in axes else side for axis, side in enumerate(value.shape))
    layout = value.layout
    result = value
    if axes:
        numbers = low.numbers(sorted(layout.index(axis) for axis in axes))
        result = low.emit(
            kind,
            [low.held(value, layout), numbers],
            shape,
            value.dtype,
            "ReducerOptions",
            layout=layout,
            keepDims=True,
        )
    if keep:
        return result
    return low.reshaped(result, [side for axis, side in enumerate(value.shape) if axis not in axes])


def _axes(value: Value, item: Any) -> list[int]:
    if item is None or item == []:
        return list(range(value.rank))
    return [item] if isinstance(item, int) else list(item)


@handles("aten.sum.dim_IntList", "aten.sum.default", "aten.mean.dim", "aten.mean.default", "aten.amax.default",
         "aten.amin.default", "aten.prod.dim_int", "aten.any.dim", "aten.all.dim", "aten.any.default",
         "aten.all.default")  # fmt: skip
def reduction(low: Lowering, node: Node) -> Value:
    """Sums, means, products and extremes over axes."""
    arguments = given(node)
    name = str(node.target).split(".")[1]
    dtype = dtype_of(low.meta(node).dtype)
    value = low.cast(low.real(arguments[0]), dtype)
    axes = _axes(value, arguments[1] if len(arguments) > 1 else node.kwargs.get("dim"))
    keep = bool(arguments[2]) if len(arguments) > 2 else bool(node.kwargs.get("keepdim", False))
    return reduced(low, _KINDS[name], value, axes, keep)


@handles("aten.max.dim", "aten.min.dim")
def extreme_along(low: Lowering, node: Node) -> list[Value]:
    """The extreme along an axis and where it stands, of which only what is asked for is written."""
    arguments = given(node)
    greatest = ".max." in str(node.target)
    value, keep = (
        low.real(arguments[0]),
        bool(arguments[2]) if len(arguments) > 2 else False,
    )
    asked = {user.args[1] for user in node.users}
    nothing = Value((), "float32", constant=torch.zeros(()))
    first = (
        reduced(low, "REDUCE_MAX" if greatest else "REDUCE_MIN", value, [arguments[1]], keep)
        if 0 in asked
        else nothing
    )
    second = (
        _place(low, "ARG_MAX" if greatest else "ARG_MIN", value, arguments[1], keep)
        if 1 in asked
        else nothing
    )
    return [first, second]


@handles("aten.max.default", "aten.min.default")
def extreme(low: Lowering, node: Node) -> Value:
    """The extreme of all elements."""
    value = low.real(node.args[0])
    kind = "REDUCE_MAX" if ".max." in str(node.target) else "REDUCE_MIN"
    return reduced(low, kind, value, range(value.rank), False)


@handles("aten.argmax.default", "aten.argmin.default")
def place(low: Lowering, node: Node) -> Value:
    """Where the extreme along an axis stands."""
    items = given(node, None, None, False)
    if items[1] is None:
        raise TargetError("argmax over all elements is not written for LiteRT; name its axis")
    kind = "ARG_MAX" if "argmax" in str(node.target) else "ARG_MIN"
    return _place(low, kind, low.real(items[0]), items[1], bool(items[2]))


def _place(low: Lowering, kind: str, value: Value, axis: int, keep: bool) -> Value:
    axis %= value.rank
    shape = [side for index, side in enumerate(value.shape) if index != axis]
    options = "ArgMaxOptions" if kind == "ARG_MAX" else "ArgMinOptions"
    found = low.emit(
        kind, [low.held(value, plain(value.rank)), low.numbers(_scalar(axis))], shape, "int32", options,
        outputType=schema.TensorType.INT32,
    )  # fmt: skip
    return low.reshaped(found, [*value.shape[:axis], 1, *value.shape[axis + 1 :]]) if keep else found


def _scalar(number: int) -> Any:
    return torch.tensor(number).numpy()


@handles("aten.var.correction", "aten.var.dim", "aten.std.correction", "aten.std.dim", "aten.var_mean.correction",
         "aten.std_mean.correction", "aten.var.default", "aten.std.default")  # fmt: skip
def variance(low: Lowering, node: Node) -> Value | list[Value]:
    """Variance and standard deviation, with torch's correction for small numbers of elements."""
    arguments = given(node)
    name = str(node.target)
    value = low.cast(low.real(arguments[0]), "float32")
    axes = _axes(
        value,
        arguments[1] if len(arguments) > 1 and not isinstance(arguments[1], bool) else None,
    )
    correction: Any = node.kwargs.get("correction", 1)
    keep = bool(node.kwargs.get("keepdim", False))
    if name.endswith(".dim"):
        correction = int(arguments[2]) if len(arguments) > 2 else 1
        keep = bool(arguments[3]) if len(arguments) > 3 else keep
    if name.endswith(".default"):
        correction = int(arguments[1]) if len(arguments) > 1 else 1
    count = 1
    for axis in axes:
        count *= value.shape[axis % value.rank]
    mean = reduced(low, "MEAN", value, axes, True)
    apart = binary(low, "SUB", value, mean, value.shape)
    result = reduced(low, "MEAN", unary(low, "SQUARE", apart, "SquareOptions"), axes, keep)
    correction = 1 if correction is None else correction
    if correction:
        result = binary(low, "MUL", result, count / (count - correction), result.shape)
    if "std" in name:
        result = unary(low, "SQRT", result)
    if "_mean" not in name:
        return result
    return [result, mean if keep else low.reshaped(mean, result.shape)]


@handles("aten.softmax.int", "aten._softmax.default", "aten.log_softmax.int", "aten._log_softmax.default",
         "aten._safe_softmax.default")  # fmt: skip
def softmax(low: Lowering, node: Node) -> Value:
    """Softmax along an axis, which is moved to the end where it is not there."""
    source, axis = given(node)[:2]
    value = low.cast(low.real(source), "float32")
    order = [index for index in range(value.rank) if index != axis % value.rank] + [axis % value.rank]
    logarithm = "log" in str(node.target)
    kind, options = ("LOG_SOFTMAX", "LogSoftmaxOptions") if logarithm else ("SOFTMAX", "SoftmaxOptions")
    fields: dict[str, Any] = {} if logarithm else {"beta": 1.0}
    layout = value.layout if value.layout[-1] == order[-1] else tuple(order)
    return low.emit(
        kind,
        [low.held(value, layout)],
        value.shape,
        "float32",
        options,
        layout=layout,
        **fields,
    )


@handles("aten.cumsum.default")
def running_sum(low: Lowering, node: Node) -> Value:
    """Sums of all elements up to each along an axis."""
    arguments = given(node)
    dtype = dtype_of(low.meta(node).dtype)
    value = low.cast(low.real(arguments[0]), dtype)
    numbers = low.numbers(_scalar(arguments[1] % value.rank))
    return low.emit(
        "CUMSUM",
        [low.held(value, plain(value.rank)), numbers],
        value.shape,
        dtype,
        "CumsumOptions",
    )


@handles("aten.topk.default", "aten.sort.default", "aten.sort.stable")
def greatest(low: Lowering, node: Node) -> list[Value]:
    """The greatest elements along an axis, in order, and where they stand."""
    values, places = node.meta["val"]
    if "sort" in str(node.target):  # sort.stable says the rest by name
        source, axis, falling = (
            given(node, None, -1, False) if ".default" in str(node.target) else (node.args[0], -1, False)
        )
    else:
        source, _, axis, falling = given(node, None, None, -1, True)[:4]
    axis, falling = node.kwargs.get("dim", axis), node.kwargs.get("descending", falling)
    if not isinstance(axis, int):
        raise TargetError("sorting along an axis that is not a number is not written for LiteRT")
    value = low.real(source)
    if value.dtype != "float32":
        raise TargetError("LiteRT's TOPK_V2 is written for floats only")
    axis %= value.rank
    count = values.shape[axis]
    order = [index for index in range(value.rank) if index != axis] + [axis]
    layout = tuple(order)
    turned = value if falling else unary(low, "NEG", value, "NegOptions")
    tensors = [low.held(turned, layout), low.numbers(_scalar(count))]
    shape = [values.shape[index] for index in layout]
    found = [low.writer.tensor(f"{low.name}:{kind}", shape, kind) for kind in ("float32", "int32")]
    low.writer.operator("TOPK_V2", tensors, found, "TopKV2Options")
    first = Value(tuple(values.shape), "float32", held={layout: found[0]})
    second = Value(tuple(places.shape), "int32", held={layout: found[1]})
    return [first if falling else unary(low, "NEG", first, "NegOptions"), second]
