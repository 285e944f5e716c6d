"""Normalisation by the image's own mean and variance, in the operators that LiteRT has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.fx import Node

from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import given
from fer_deploy.targets.litert.converter.operators.arithmetic import binary, unary
from fer_deploy.targets.litert.converter.operators.reduction import reduced
from fer_deploy.targets.litert.converter.values import Value


@handles("aten.layer_norm.default", "aten.native_layer_norm.default")
def layer_norm(low: Lowering, node: Node) -> Value | list[Value]:
    """Over the last axes."""
    items = given(node, None, None, None, None, 1e-5)
    value = low.cast(low.real(items[0]), "float32")
    result = normalised(low, value, range(value.rank - len(items[1]), value.rank), float(items[4]))
    result = _affine(low, result, items[2], items[3], tuple(items[1]))
    return [result] if "native" in str(node.target) else result


@handles("aten.group_norm.default")
def group_norm(low: Lowering, node: Node) -> Value:
    """Over places and some of the channels."""
    items = given(node, None, None, None, None, 1e-5)
    value = low.cast(low.real(items[0]), "float32")
    batch, channels = value.shape[:2]
    groups: int = items[1]
    if groups == channels:  # a channel by itself: no axis is taken apart
        result = normalised(low, value, range(2, value.rank), float(items[4]))
    elif groups == 1:
        result = normalised(low, value, range(1, value.rank), float(items[4]))
    else:
        apart = low.reshaped(value, (batch, groups, channels // groups, *value.shape[2:]))
        result = low.reshaped(normalised(low, apart, range(2, apart.rank), float(items[4])), value.shape)
    return _affine(low, result, items[2], items[3], (channels, *[1] * (value.rank - 2)))


def normalised(low: Lowering, value: Value, axes: Sequence[int], eps: float) -> Value:
    """Return a value less its mean over axes, divided by the root of its variance and ``eps``."""
    apart = binary(low, "SUB", value, reduced(low, "MEAN", value, axes, True), value.shape)
    variance = reduced(low, "MEAN", unary(low, "SQUARE", apart, "SquareOptions"), axes, True)
    scale = unary(low, "RSQRT", binary(low, "ADD", variance, eps, variance.shape))
    return binary(low, "MUL", apart, scale, value.shape)


def _affine(low: Lowering, value: Value, weight: Any, bias: Any, shape: Sequence[int]) -> Value:
    for kind, item in (("MUL", weight), ("ADD", bias)):
        if item is not None:
            value = binary(low, kind, value, low.reshaped(low.real(item), shape), value.shape)
    return value
