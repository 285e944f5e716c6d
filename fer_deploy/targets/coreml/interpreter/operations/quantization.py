"""Quantization of activations while the program runs."""

from __future__ import annotations

import torch
from torch import Tensor

from fer_deploy.targets.coreml.interpreter.table import Operand, along_axis, operation

_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


@operation("quantize")
def quantize(
    input: Tensor,
    scale: Operand,
    output_dtype: str,
    zero_point: Operand = 0,
    axis: int = 0,
) -> Tensor:
    """Return round(input / scale) + zero_point, half to even, clipped to the type's range."""
    low, high = _RANGES[output_dtype]
    steps = torch.round(input / along_axis(scale, axis, input.ndim))
    return torch.clamp(steps + along_axis(zero_point, axis, input.ndim), low, high)


@operation("dequantize")
def dequantize(
    input: Tensor,
    scale: Operand,
    zero_point: Operand = 0,
    axis: int = 0,
) -> Tensor:
    """Return scale x (input - zero_point)."""
    shifted = input.float() - along_axis(zero_point, axis, input.ndim)
    return shifted * along_axis(scale, axis, input.ndim)
