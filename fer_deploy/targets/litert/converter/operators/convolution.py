"""Convolutions: of int8 where the graph quantizes input, weight and output, else in float."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import (
    DEQUANTIZE_CHANNELS,
    Tail,
    given,
    tail_of,
)
from fer_deploy.targets.litert.converter.operators.views import padded
from fer_deploy.targets.litert.converter.values import CHANNELS_LAST, Value
from fer_deploy.targets.litert.converter.writer import Channels

SAME, VALID = 0, 1


@dataclass(frozen=True)
class Weight:
    """A layer's weight: float32, or int8 with a scale for each output channel."""

    array: NDArray[Any]
    scales: NDArray[np.float32] | None


def weight_of(low: Lowering, item: Any, axis: int = 0) -> Weight:
    """Return the weight that a node gives; int8 where it is dequantized by channels of ``axis``.

    Raises:
        TargetError: it is computed from the image.
    """
    if isinstance(item, Node) and str(item.target) == DEQUANTIZE_CHANNELS:
        values, scales = (low.value(one).constant for one in item.args[:2])
        zeros = None if item.args[2] is None else low.value(item.args[2]).constant
        assert values is not None
        assert scales is not None
        plain = zeros is None or not bool(zeros.any())
        if item.args[3] == axis and plain and values.dtype is torch.int8:
            return Weight(values.detach().numpy(), scales.detach().float().numpy())
    constant = low.real(item).constant
    if constant is None:
        raise TargetError(
            "LiteRT's convolutions take weights that are constants, this one comes from the image"
        )
    return Weight(constant.detach().float().numpy(), None)


def in_float(weight: Weight, axis: int = 0) -> NDArray[np.float32]:
    """Return a weight as float32."""
    if weight.scales is None:
        return weight.array.astype(np.float32)
    sides = [1] * weight.array.ndim
    sides[axis] = -1
    result: NDArray[np.float32] = weight.array.astype(np.float32) * weight.scales.reshape(sides)
    return result


def operands(low: Lowering, node: Node, value: Value, weight_node: Any) -> tuple[Value, Weight, Tail]:
    """Return what a layer computes with: all in integers where value, weight and output have grids, else in float."""
    weight, tail = weight_of(low, weight_node), tail_of(node)
    if value.grid is not None and tail.grid is not None and weight.scales is not None:
        return value, weight, tail
    return low.cast(low.real(value), "float32"), Weight(in_float(weight), None), tail.in_float()


def bias_of(low: Lowering, item: Any, length: int, scale: float | None, weight: Weight) -> int:
    """Return the constant of a bias, zeros where there is none: int32 on the grid of products, or float32."""
    numbers = np.zeros(length, np.float32)
    if item is not None:
        constant = low.real(item).constant
        if constant is None:
            raise TargetError("LiteRT's layers take biases that are constants, this one comes from the image")
        numbers = constant.detach().float().numpy()
    if scale is None:
        return low.writer.constant(numbers, "bias")
    assert weight.scales is not None
    scales = (np.float32(scale) * weight.scales).astype(np.float32)
    integers = np.rint(numbers.astype(np.float64) / scales.astype(np.float64))
    limit = np.iinfo(np.int32)
    return low.writer.constant(
        integers.clip(limit.min, limit.max).astype(np.int32),
        "bias",
        channels=Channels(scales, 0),
    )


@handles("aten.conv2d.default")
def convolution(low: Lowering, node: Node) -> Value:
    """Convolutions of maps."""
    source, weight, bias, stride, padding, dilation, groups = arguments(node, 2)
    return _convolution(low, node, low.value(source), weight, bias, stride, padding, dilation, groups)


@handles("aten.conv1d.default")
def convolution_of_rows(low: Lowering, node: Node) -> Value:
    """Convolutions of sequences: maps of one row."""
    source, weight, bias, stride, padding, dilation, groups = arguments(node, 1)
    value = low.value(source)
    if value.rank != 3:
        raise TargetError("a convolution of a sequence without a batch is not written for LiteRT")
    row = low.reshaped(value, (*value.shape[:2], 1, value.shape[2]))
    return _convolution(
        low,
        node,
        row,
        weight,
        bias,
        [1, *stride],
        [0, *padding],
        [1, *dilation],
        groups,
        rows=True,
    )


def arguments(node: Node, axes: int) -> tuple[Any, Any, Any, list[int], list[int], list[int], int]:
    """Return a convolution's input, weight, bias, stride, padding, dilation and groups, over so many axes."""
    items = given(node, None, None, None, [1], [0], [1], 1)
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    items = [node.kwargs.get(name, one) for name, one in zip(names, items, strict=True)]
    if isinstance(items[4], str):
        raise TargetError(f"padding '{items[4]}' is not written for LiteRT")
    sides = [list(one) if isinstance(one, (list, tuple)) else [one] for one in items[3:6]]
    sides = [side * axes if len(side) == 1 else side for side in sides]
    return items[0], items[1], items[2], sides[0], sides[1], sides[2], int(items[6])


def _convolution(
    low: Lowering,
    node: Node,
    value: Value,
    weight_node: Any,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    rows: bool = False,
) -> Value:
    if value.rank != 4:
        raise TargetError("a convolution of a map without a batch is not written for LiteRT")
    value, weight, tail = operands(low, node, value, weight_node)
    if rows:
        weight = Weight(weight.array[:, :, None], weight.scales)
    kernel = weight.array.shape[2:]
    shape = _lengths(value.shape[2:], kernel, stride, padding, dilation)
    same = all(
        _is_same(*one)
        for one in zip(value.shape[2:], shape, kernel, stride, padding, dilation, strict=True)
    )  # fmt: skip
    if not same:
        value = padded(low, value, [(0, 0), (0, 0), *((side, side) for side in padding)])
    channels, outputs = value.shape[1], weight.array.shape[0]
    depthwise = (groups == channels and weight.array.shape[1] == 1 and groups > 1) or (
        channels == 1 == groups
    )
    layout = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    array = np.ascontiguousarray(weight.array.transpose(layout))
    scales = None if weight.scales is None else Channels(weight.scales, 3 if depthwise else 0)
    grid = value.grid
    tensors = [
        low.held(value, CHANNELS_LAST),
        low.writer.constant(array, f"{low.name}.weight", channels=scales),
        bias_of(low, bias, outputs, grid.scale if grid else None, weight),
    ]
    fields: dict[str, Any] = {
        "padding": SAME if same else VALID, "strideH": stride[0], "strideW": stride[1],
        "dilationHFactor": dilation[0], "dilationWFactor": dilation[1], "fusedActivationFunction": tail.activation or 0,
    }  # fmt: skip
    if depthwise:
        fields["depthMultiplier"] = outputs // channels
    kind, options = (
        ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
    )
    result = low.emit(
        kind,
        tensors,
        (value.shape[0], outputs, *shape),
        "float32",
        options,
        layout=CHANNELS_LAST,
        grid=tail.grid,
        **fields,
    )
    return _ended(low, node, result, tail, rows)


def _ended(low: Lowering, node: Node, result: Value, tail: Tail, rows: bool) -> Value:
    if rows:
        result = low.reshaped(result, low.meta(node).shape)
    return low.ended(result, tail, tail.activation or 0)


def _lengths(
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> list[int]:
    """Return height and width of what a convolution makes."""
    return [
        (side + 2 * pad - step * (length - 1) - 1) // move + 1
        for side, length, move, pad, step in zip(sides, kernel, stride, padding, dilation, strict=True)
    ]


def _is_same(side: int, output: int, kernel: int, stride: int, padding: int, dilation: int) -> bool:
    """Return whether LiteRT's padding SAME is torch's ``padding`` on both sides, along one axis."""
    needed = max((output - 1) * stride + dilation * (kernel - 1) + 1 - side, 0)
    return output == -(-side // stride) and needed // 2 == padding and needed - needed // 2 <= padding
