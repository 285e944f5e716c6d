"""Quantize and dequantize: a dequantized value is its int8 tensor until an operator needs it in float."""

from __future__ import annotations

import torch
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import grid_of
from fer_deploy.targets.litert.converter.values import Value
from fer_deploy.targets.litert.converter.writer import IntegerGrid


@handles("quantized_decomposed.quantize_per_tensor.default")
def quantize(low: Lowering, node: Node) -> Value:
    """Round to a grid; a value that is on it already stays as it is, one on another grid is moved by its integers."""
    return on_grid(low, low.value(node.args[0]), grid_of(node))


def on_grid(low: Lowering, value: Value, grid: IntegerGrid) -> Value:
    """Return a value on a grid."""
    if value.grid == grid:
        return value
    if value.constant is not None:
        numbers = low.real(value).constant
        assert numbers is not None
        # as torch's operator rounds it
        integers = torch.clamp(
            torch.round(numbers.float() * (1.0 / grid.scale)) + grid.zero_point,
            grid.qmin,
            grid.qmax,
        )
        return Value(value.shape, "int8", grid, constant=integers.to(torch.int8), name=value.name)
    return low.emit(
        "QUANTIZE",
        [low.held(value)],
        value.shape,
        layout=value.layout,
        grid=grid,
        name=value.name,
    )


@handles("quantized_decomposed.dequantize_per_tensor.default")
def dequantize(low: Lowering, node: Node) -> Value:
    """Say nothing: whoever needs the value in float asks for it."""
    value, grid = low.value(node.args[0]), grid_of(node)
    if value.grid == grid:
        return value
    if value.constant is not None and value.grid is None:  # integers from the graph's own constants
        return Value(value.shape, "int8", grid, constant=value.constant.to(torch.int8))
    raise TargetError(f"a value is quantized on one grid and dequantized on another at {node.name}")
