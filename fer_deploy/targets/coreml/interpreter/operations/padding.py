"""Padding as an operation of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter.operations.convolution import pad_zeros
from fer_deploy.targets.coreml.interpreter.table import Ints, ints, operation


@operation("pad")
def pad(x: Tensor, pad: Ints, mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    """Pad the last dimensions by (before, after) pairs with a constant, mirrored or repeated values."""
    flat = ints(pad)
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    if mode == "constant":
        return pad_zeros(x, pairs, float(constant_val))
    for axis, (before, after) in enumerate(pairs, start=x.ndim - len(pairs)):
        if before or after:
            positions = torch.arange(-before, x.shape[axis] + after)
            x = x.index_select(axis, _inside(positions, x.shape[axis], mode))
    return x


def _inside(positions: Tensor, size: int, mode: str) -> Tensor:
    last = size - 1
    if mode == "replicate":
        return positions.clamp(0, last)
    if mode == "reflect":
        return last - (last - positions.abs()).abs()
    raise TargetError(f"cannot execute pad with the unknown mode '{mode}'")
