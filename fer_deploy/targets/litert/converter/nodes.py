"""What nodes say of themselves: arguments, types of values, and what follows and can be part of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.quantize.layers import clamp_operators
from fer_deploy.targets.litert.converter.values import Value
from fer_deploy.targets.litert.converter.writer import IntegerGrid

QUANTIZE = "quantized_decomposed.quantize_per_tensor.default"
DEQUANTIZE = "quantized_decomposed.dequantize_per_tensor.default"
DEQUANTIZE_CHANNELS = "quantized_decomposed.dequantize_per_channel.default"
#: Fused clamps of the schema (``ActivationFunctionType``), by their bounds.
_ACTIVATIONS = {(0.0, math.inf): 1, (-1.0, 1.0): 2, (0.0, 6.0): 3}
_INTEGERS = (torch.int64, torch.int32)


def given(node: Node, *defaults: Any) -> list[Any]:
    """Return a node's arguments in their order, the last ones that it does not give as ``defaults`` say."""
    found: list[Any] = list(node.args)
    return [*found, *defaults[len(found) :]]


def dtype_of(dtype: torch.dtype) -> str:
    """Return the type that values of a torch type have in the file: floats of any width are float32.

    Raises:
        TargetError: LiteRT's kernels have no such type, or wrap around where torch's does not.
    """
    if dtype.is_floating_point:
        return "float32"
    if dtype in _INTEGERS:
        return "int32"
    if dtype is torch.bool:
        return "bool"
    raise TargetError(f"LiteRT's operators do not compute in {str(dtype).removeprefix('torch.')}")


def known(tensor: torch.Tensor) -> Value:
    """Return the value of a tensor that is there before any image."""
    dtype = "int8" if tensor.dtype is torch.int8 else dtype_of(tensor.dtype)
    return Value(tuple(tensor.shape), dtype, constant=tensor)


@dataclass(frozen=True)
class Tail:
    """What follows a node and can be part of it: a clamp, and the quantization of its output.

    Attributes:
        nodes: those that the node takes with it.
        low, high: bounds of the clamp.
        grid: of the output, None where it stays in float.
    """

    nodes: tuple[Node, ...]
    low: float = -math.inf
    high: float = math.inf
    grid: IntegerGrid | None = None

    @property
    def activation(self) -> int | None:
        """The clamp as the schema numbers it, 0 for none; None where it has no such clamp."""
        if (self.low, self.high) == (-math.inf, math.inf):
            return 0
        return _ACTIVATIONS.get((self.low, self.high))

    def in_float(self) -> Tail:
        """Return the tail without its quantization, for a node that has to compute in float."""
        return self if self.grid is None else Tail(self.nodes[:-1], self.low, self.high)


def tail_of(node: Node) -> Tail:
    """Return the clamp behind a node that nothing else reads, and the quantization behind that."""
    nodes: list[Node] = []
    low, high = -math.inf, math.inf
    last = node
    users = list(node.users)
    if len(users) == 1 and (found := bounds(users[0])) is not None:
        last, (low, high) = users[0], found
        nodes.append(last)
    users = list(last.users)
    if len(users) == 1 and str(users[0].target) == QUANTIZE:
        return Tail((*nodes, users[0]), low, high, grid_of(users[0]))
    return Tail(tuple(nodes), low, high)


def grid_of(node: Node) -> IntegerGrid:
    """Return the grid of a quantize or dequantize node."""
    arguments: Any = node.args
    scale, zero_point, qmin, qmax = arguments[1:5]
    return IntegerGrid(float(scale), int(zero_point), int(qmin), int(qmax))


def bounds(node: Node) -> tuple[float, float] | None:
    """Return the bounds of a node that clamps between numbers, else None."""
    if node.target not in clamp_operators():
        return None
    arguments: Any = node.args[1:]
    name = str(node.target).split(".")[1].rstrip("_")
    if name == "relu":
        return 0.0, math.inf
    if name == "relu6":
        return 0.0, 6.0
    default = (-1.0, 1.0) if name == "hardtanh" else (None, None)
    low, high = (*arguments, *default[len(arguments) :])[:2]
    if node.kwargs:
        low, high = node.kwargs.get("min", low), node.kwargs.get("max", high)
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)
