"""Linear layers, of int8 where the graph quantizes all of them, and products of matrices, in float."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import given
from fer_deploy.targets.litert.converter.operators.arithmetic import binary
from fer_deploy.targets.litert.converter.operators.convolution import (
    Weight,
    bias_of,
    operands,
)
from fer_deploy.targets.litert.converter.values import Value, plain
from fer_deploy.targets.litert.converter.writer import Channels


@handles("aten.linear.default")
def linear(low: Lowering, node: Node) -> Value:
    """Linear layers over the last axis."""
    arguments = given(node)
    value = low.value(arguments[0])
    bias = arguments[2] if len(arguments) > 2 else None
    if value.constant is None and isinstance(arguments[1], Node) and low.real(arguments[1]).constant is None:
        product = _matrices(
            low,
            low.real(value),
            _turned(low, low.real(arguments[1])),
            low.meta(node).shape,
        )
        return product if bias is None else binary(low, "ADD", product, bias, product.shape)
    value, weight, tail = operands(low, node, value, arguments[1])
    result = layer(low, value, weight, bias, tail.activation or 0, tail.grid)
    return low.ended(result, tail, tail.activation or 0)


def layer(low: Lowering, value: Value, weight: Weight, bias: Any, activation: int, grid: Any) -> Value:
    """Return a linear layer of a value's last axis."""
    outputs = weight.array.shape[0]
    scales = None if weight.scales is None else Channels(weight.scales, 0)
    tensors = [
        low.held(value, plain(value.rank)),
        low.writer.constant(np.ascontiguousarray(weight.array), f"{low.name}.weight", channels=scales),
        bias_of(low, bias, outputs, value.grid.scale if value.grid else None, weight),
    ]
    return low.emit(
        "FULLY_CONNECTED", tensors, (*value.shape[:-1], outputs), "float32", "FullyConnectedOptions", grid=grid,
        keepNumDims=value.rank > 2, fusedActivationFunction=activation,
    )  # fmt: skip


@handles(
    "aten.mm.default",
    "aten.bmm.default",
    "aten.matmul.default",
    "aten.addmm.default",
    "aten.baddbmm.default",
)
def product(low: Lowering, node: Node) -> Value:
    """Products of matrices, of which one may be a constant, with or without something added."""
    adds = "add" in str(node.target)
    items = node.args[1:3] if adds else node.args[:2]
    if adds and any(node.kwargs.get(name, 1) != 1 for name in ("alpha", "beta")):
        raise TargetError("addmm with alpha or beta is not written for LiteRT")
    first, second = (low.cast(low.real(item), "float32") for item in items)
    shape = tuple(low.meta(node).shape)
    result = _matrices(low, first, second, shape)
    return binary(low, "ADD", result, node.args[0], shape) if adds else result


def _turned(low: Lowering, value: Value) -> Value:
    return low.permuted(value, (*range(value.rank - 2), value.rank - 1, value.rank - 2))


def _matrices(low: Lowering, first: Value, second: Value, shape: tuple[int, ...]) -> Value:
    if first.rank == 1:
        first = low.reshaped(first, (1, *first.shape))
    if second.rank == 1:
        second = low.reshaped(second, (*second.shape, 1))
    if second.constant is not None and second.rank == 2:
        weight = Weight(np.ascontiguousarray(second.constant.detach().float().numpy().T), None)
        result = layer(low, first, weight, None, 0, None)
    else:
        rank = max(first.rank, second.rank)
        first, second = (low.reshaped(one, (1,) * (rank - one.rank) + one.shape) for one in (first, second))
        # the last two axes the other way round in memory: a flag, and nothing is moved
        sides, tensors = [], []
        for one in (first, second):
            turned = (*range(rank - 2), rank - 1, rank - 2)
            flip = turned in one.held and plain(rank) not in one.held
            sides.append(flip)
            tensors.append(low.held(one, turned if flip else plain(rank)))
        leading = tuple(max(pair) for pair in zip(first.shape[:-2], second.shape[:-2], strict=True))
        whole = (*leading, first.shape[-2], second.shape[-1])
        result = low.emit(
            "BATCH_MATMUL",
            tensors,
            whole,
            "float32",
            "BatchMatMulOptions",
            adjX=sides[0],
            adjY=sides[1],
        )
    return low.reshaped(result, shape)
