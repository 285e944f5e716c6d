"""Operators that work element by element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Handler, Lowering, handles
from fer_deploy.targets.litert.converter.nodes import (
    Tail,
    bounds,
    dtype_of,
    given,
    tail_of,
)
from fer_deploy.targets.litert.converter.values import Layout, Value, plain


def together(low: Lowering, values: Sequence[Value], shape: Sequence[int]) -> tuple[list[int], Layout]:
    """Return tensors that broadcast to ``shape`` in one layout, and that layout: the one that is moved least for."""
    rank = len(shape)
    moving = [
        value.layout
        for value in values
        if value.constant is None and value.rank == rank and value.order(value.layout)
    ]
    layout = next((one for one in moving if one != plain(rank)), plain(rank))
    return [low.held(_aligned(low, value, rank), layout) for value in values], layout


def _aligned(low: Lowering, value: Value, rank: int) -> Value:
    if value.rank == rank:
        return value
    return low.reshaped(value, (1,) * (rank - value.rank) + value.shape)


def binary(
    low: Lowering,
    kind: str,
    first: Any,
    second: Any,
    shape: Sequence[int],
    dtype: str = "float32",
    to: str | None = None,
) -> Value:
    """Return an operator of two values of one type, float unless ``dtype`` says otherwise; ``to`` is the result's."""
    values = [low.cast(low.real(item), dtype) for item in (first, second)]
    tensors, layout = together(low, values, shape)
    options = {
        "ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions",
        "MAXIMUM": "MaximumMinimumOptions", "MINIMUM": "MaximumMinimumOptions",
    }  # fmt: skip
    return low.emit(kind, tensors, shape, to or dtype, options.get(kind), layout=layout)


def unary(low: Lowering, kind: str, value: Value, options: str | None = None, **fields: Any) -> Value:
    """Return an operator of one value in float."""
    value = low.cast(value, "float32")
    return low.emit(
        kind,
        [low.held(value)],
        value.shape,
        "float32",
        options,
        layout=value.layout,
        **fields,
    )


@handles(
    "aten.add.Tensor",
    "aten.mul.Tensor",
    "aten.sub.Tensor",
    "aten.add.Scalar",
    "aten.mul.Scalar",
    "aten.sub.Scalar",
)
def sums_and_products(low: Lowering, node: Node) -> Value:
    """Sums and products: of integers where both sides and the result are quantized, else in float."""
    arguments = given(node)
    kind = str(node.target).split(".")[1].upper()
    first, second = low.value(arguments[0]), low.value(arguments[1])
    alpha: Any = node.kwargs.get("alpha", arguments[2] if len(arguments) > 2 else 1)
    meta, tail = low.meta(node), tail_of(node)
    options = {"ADD": "AddOptions", "MUL": "MulOptions", "SUB": "SubOptions"}[kind]
    activation = tail.activation or 0
    whole = None not in (first.grid, second.grid, tail.grid) and alpha == 1 and kind != "SUB"
    dtype = dtype_of(meta.dtype)
    if not whole:
        first, second = (low.cast(low.real(value), dtype) for value in (first, second))
        if alpha != 1:
            second = binary(low, "MUL", second, alpha, second.shape, dtype)
    if dtype != "float32":  # the schema's clamps are of floats and of int8
        tail, activation = Tail(()), 0
    tensors, layout = together(low, (first, second), meta.shape)
    result = low.emit(
        kind, tensors, meta.shape, dtype, options, layout=layout, grid=tail.grid if whole else None,
        fusedActivationFunction=activation,
    )  # fmt: skip
    if whole:
        return low.ended(result, tail, activation)
    return low.ended(result, tail.in_float(), activation)


_BINARY = {
    "aten.div.Tensor": "DIV", "aten.div.Scalar": "DIV", "aten.maximum.default": "MAXIMUM",
    "aten.minimum.default": "MINIMUM", "aten.atan2.default": "ATAN2", "aten.pow.Tensor_Tensor": "POW",
}  # fmt: skip
_UNARY = {
    "aten.sigmoid.default": "LOGISTIC", "aten.tanh.default": "TANH", "aten.log.default": "LOG",
    "aten.sqrt.default": "SQRT", "aten.rsqrt.default": "RSQRT", "aten.sin.default": "SIN", "aten.cos.default": "COS",
    "aten.floor.default": "FLOOR", "aten.ceil.default": "CEIL", "aten.round.default": "ROUND",
    "aten.sign.default": "SIGN",
}  # fmt: skip
_UNARY_OPTIONS = {
    "aten.exp.default": ("EXP", "ExpOptions"), "aten.neg.default": ("NEG", "NegOptions"),
    "aten.abs.default": ("ABS", "AbsOptions"), "aten.hardswish.default": ("HARD_SWISH", "HardSwishOptions"),
    "aten.square.default": ("SQUARE", "SquareOptions"),
}  # fmt: skip


def _binary(kind: str) -> Handler:
    def handler(low: Lowering, node: Node) -> Value:
        if dtype_of(low.meta(node).dtype) != "float32" and kind in (
            "DIV",
            "POW",
            "ATAN2",
        ):
            raise TargetError(f"LiteRT's {kind} is written for floats only")
        first, second = node.args[:2]
        return binary(
            low,
            kind,
            first,
            second,
            low.meta(node).shape,
            dtype_of(low.meta(node).dtype),
        )

    return handler


def _unary(kind: str, options: str | None = None) -> Handler:
    return lambda low, node: unary(low, kind, low.real(node.args[0]), options)


for _operator, _kind in _BINARY.items():
    handles(_operator)(_binary(_kind))
for _operator, _kind in _UNARY.items():
    handles(_operator)(_unary(_kind))
for _operator, (_kind, _options) in _UNARY_OPTIONS.items():
    handles(_operator)(_unary(_kind, _options))


@handles("aten.relu.default", "aten.relu_.default", "aten.hardtanh.default", "aten.hardtanh_.default",
         "aten.relu6.default", "aten.relu6_.default", "aten.clamp.default", "aten.clamp_.default")  # fmt: skip
def clamp(low: Lowering, node: Node) -> Value:
    """Clamps between numbers; on integers where the value keeps its grid, or where its output has one."""
    found = bounds(node)
    assert found is not None
    value, tail = low.value(node.args[0]), tail_of(node)
    if value.grid is not None and tail.grid is not None and len(tail.nodes) == 1:
        from fer_deploy.targets.litert.converter.operators.quantization import on_grid

        value = low.clamped(on_grid(low, value, tail.grid), *found)
        low.values[tail.nodes[0]] = value
        return value
    value = low.real(value)
    kinds = {(0.0, math.inf): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}
    if value.dtype == "float32" and found in kinds:
        return low.emit(kinds[found], [low.held(value)], value.shape, layout=value.layout)
    return low.clamped(value, *found)


@handles("aten.clamp.Tensor", "aten.clamp_min.default", "aten.clamp_max.default", "aten.clamp_min.Tensor",
         "aten.clamp_max.Tensor")  # fmt: skip
def clamp_by_tensors(low: Lowering, node: Node) -> Value:
    """Clamps whose bounds are values."""
    name, arguments = str(node.target), given(node)[1:]
    limits: dict[str, Any] = {
        "min": node.kwargs.get("min"),
        "max": node.kwargs.get("max"),
    }
    keys = ("max",) if "clamp_max" in name else ("min",) if "clamp_min" in name else ("min", "max")
    limits |= dict(zip(keys, arguments, strict=False))
    value, shape = low.real(node.args[0]), low.meta(node).shape
    for kind, bound in (("MAXIMUM", limits["min"]), ("MINIMUM", limits["max"])):
        if bound is not None:
            value = binary(low, kind, value, bound, shape, dtype_of(low.meta(node).dtype))
    return value


@handles("aten.pow.Tensor_Scalar")
def power(low: Lowering, node: Node) -> Value:
    """Powers: squares and roots by their own operators, others by POW."""
    source, number = given(node)
    value, exponent = low.cast(low.real(source), "float32"), float(number)
    own = {2.0: ("SQUARE", "SquareOptions"), 0.5: ("SQRT", None), -0.5: ("RSQRT", None)}
    if exponent in own:
        return unary(low, own[exponent][0], value, own[exponent][1])
    if exponent == 1.0:
        return value
    if exponent in (
        3.0,
        4.0,
    ):  # whole powers of negative numbers are right whatever a runtime's pow does
        square = unary(low, "SQUARE", value, "SquareOptions")
        return binary(low, "MUL", square, value if exponent == 3.0 else square, value.shape)
    return binary(low, "POW", value, exponent, value.shape)


@handles("aten.reciprocal.default")
def reciprocal(low: Lowering, node: Node) -> Value:
    """One divided by a value."""
    return binary(low, "DIV", 1.0, node.args[0], low.meta(node).shape)


@handles("aten.rsub.Scalar", "aten.rsub.Tensor")
def reversed_difference(low: Lowering, node: Node) -> Value:
    """Differences whose first argument is taken away."""
    return binary(low, "SUB", node.args[1], node.args[0], low.meta(node).shape)


@handles("aten.gelu.default")
def gelu(low: Lowering, node: Node) -> Value:
    """GELU, by its own operator in either form."""
    return unary(
        low,
        "GELU",
        low.real(node.args[0]),
        "GeluOptions",
        approximate=node.kwargs.get("approximate") == "tanh",
    )


@handles("aten.leaky_relu.default")
def leaky_relu(low: Lowering, node: Node) -> Value:
    """LeakyReLU."""
    source, slope = given(node, None, 0.01)[:2]
    return unary(low, "LEAKY_RELU", low.real(source), "LeakyReluOptions", alpha=float(slope))


@handles("aten.silu.default")
def silu(low: Lowering, node: Node) -> Value:
    """A value times its sigmoid."""
    value = low.real(node.args[0])
    return binary(low, "MUL", value, unary(low, "LOGISTIC", value), value.shape)


@handles("aten.clone.default", "aten.alias.default", "aten.detach.default", "aten.contiguous.default",
         "aten.dropout.default", "aten.lift_fresh_copy.default", "aten.feature_dropout.default")  # fmt: skip
def unchanged(low: Lowering, node: Node) -> Value:
    """What gives its input."""
    return low.value(node.args[0])
