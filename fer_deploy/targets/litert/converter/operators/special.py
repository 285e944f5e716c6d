"""Functions that LiteRT has no operator for, in those that it has; and values that hang on a shape only."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import dtype_of, given
from fer_deploy.targets.litert.converter.operators.arithmetic import (
    binary,
    together,
    unary,
)
from fer_deploy.targets.litert.converter.values import Value

#: Below this erf(x) is 2 x / sqrt(pi) to seven digits, and dividing by x is not safe.
_SMALL = 1e-3


@handles("aten.elu.default")
def elu(low: Lowering, node: Node) -> Value:
    """ELU in all its forms: LiteRT's own has one slope and one scale, 1."""
    arguments = given(node, None, 1, 1, 1)
    names = ("self", "alpha", "scale", "input_scale")
    _, alpha, scale, inner = (node.kwargs.get(name, one) for name, one in zip(names, arguments, strict=True))
    value = low.cast(low.real(arguments[0]), "float32")
    if alpha == scale == inner == 1:
        return unary(low, "ELU", value)
    below = binary(low, "MINIMUM", value, 0.0, value.shape)
    if inner != 1:
        below = binary(low, "MUL", below, float(inner), value.shape)
    bent = binary(low, "MUL", unary(low, "ELU", below), float(alpha * scale), value.shape)
    above = unary(low, "RELU", value)
    if scale != 1:
        above = binary(low, "MUL", above, float(scale), value.shape)
    return binary(low, "ADD", above, bent, value.shape)


@handles("aten.erf.default")
def erf(low: Lowering, node: Node) -> Value:
    """erf(y) = 2 gelu(x) / x - 1 with x = sqrt(2) y; near 0 by its slope."""
    value = low.cast(low.real(node.args[0]), "float32")
    shape = value.shape
    wide = binary(low, "MUL", value, math.sqrt(2), shape)
    near = low.emit(
        "LESS", together(low, [unary(low, "ABS", wide, "AbsOptions"), low.value(_SMALL)], shape)[0], shape, "bool",
        "LessOptions", layout=wide.layout,
    )  # fmt: skip

    def chosen(first: Value, second: Value) -> Value:
        tensors, layout = together(low, [near, first, second], shape)
        return low.emit("SELECT_V2", tensors, shape, "float32", "SelectV2Options", layout=layout)

    safe = chosen(low.value(1.0), wide)
    ratio = binary(
        low,
        "DIV",
        unary(low, "GELU", safe, "GeluOptions", approximate=False),
        safe,
        shape,
    )
    far = binary(low, "SUB", binary(low, "MUL", ratio, 2.0, shape), 1.0, shape)
    return chosen(binary(low, "MUL", value, 2 / math.sqrt(math.pi), shape), far)


@handles("aten.log1p.default", "aten.log2.default", "aten.log10.default")
def logarithms(low: Lowering, node: Node) -> Value:
    """Logarithms of one more, and to other bases."""
    value = low.cast(low.real(node.args[0]), "float32")
    name = str(node.target).split(".")[1]
    if name == "log1p":
        return unary(low, "LOG", binary(low, "ADD", value, 1.0, value.shape))
    return binary(
        low,
        "MUL",
        unary(low, "LOG", value),
        1 / math.log(2 if name == "log2" else 10),
        value.shape,
    )


@handles("aten.expm1.default", "aten.exp2.default")
def exponentials(low: Lowering, node: Node) -> Value:
    """Exponentials less one, and of 2."""
    value = low.cast(low.real(node.args[0]), "float32")
    if "exp2" in str(node.target):
        return unary(
            low,
            "EXP",
            binary(low, "MUL", value, math.log(2), value.shape),
            "ExpOptions",
        )
    return binary(low, "SUB", unary(low, "EXP", value, "ExpOptions"), 1.0, value.shape)


@handles("aten.floor_divide.default", "aten.div.Tensor_mode", "aten.div.Scalar_mode", "aten.remainder.Tensor",
         "aten.remainder.Scalar")  # fmt: skip
def whole_division(low: Lowering, node: Node) -> Value:
    """Divisions rounded down, and what they leave."""
    mode, meta = node.kwargs.get("rounding_mode", "floor"), low.meta(node)
    shape, dtype = meta.shape, dtype_of(meta.dtype)
    first, second = node.args[:2]
    if mode is None:
        return binary(low, "DIV", first, second, shape)
    if mode != "floor":
        raise TargetError(f"division with rounding '{mode}' is not written for LiteRT")
    if "remainder" in str(node.target):
        values = [low.cast(low.real(item), dtype) for item in (first, second)]
        tensors, layout = together(low, values, shape)
        return low.emit("FLOOR_MOD", tensors, shape, dtype, "FloorModOptions", layout=layout)
    if dtype == "float32":
        return unary(low, "FLOOR", binary(low, "DIV", first, second, shape))
    values = [low.cast(low.real(item), dtype) for item in (first, second)]
    tensors, layout = together(low, values, shape)
    return low.emit("FLOOR_DIV", tensors, shape, dtype, "FloorDivOptions", layout=layout)


@handles("aten.trunc.default")
def truncated(low: Lowering, node: Node) -> Value:
    """Rounding towards 0: of a magnitude downwards, with the sign of the value."""
    value = low.cast(low.real(node.args[0]), "float32")
    magnitude = unary(low, "FLOOR", unary(low, "ABS", value, "AbsOptions"))
    return binary(low, "MUL", magnitude, unary(low, "SIGN", value), value.shape)


@handles("aten.zeros_like.default", "aten.ones_like.default", "aten.full_like.default", "aten.new_zeros.default",
         "aten.new_ones.default", "aten.new_full.default", "aten.empty_like.default")  # fmt: skip
def filled(low: Lowering, node: Node) -> Value:
    """Constants in the shape of a value."""
    meta = low.meta(node)
    assert callable(node.target)
    source: Any = node.args[0]
    like = low.meta(source)
    numbers = node.target(torch.zeros(like.shape, dtype=like.dtype), *node.args[1:], **node.kwargs)
    return Value(tuple(meta.shape), dtype_of(meta.dtype), constant=numbers)


@handles("aten._assert_tensor_metadata.default")
def assertion(low: Lowering, node: Node) -> Value:  # noqa: ARG001 - the signature of all writers
    """What torch checks while it traces; nothing when the graph runs."""
    return Value((), "float32", constant=torch.zeros(()))
