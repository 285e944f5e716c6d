"""Pooling in one to three dimensions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter.operations.products import Pairs, pad_pairs, pad_zeros
from fer_deploy.targets.coreml.interpreter.table import Ints, ints, operation

_AVERAGE: dict[int, Any] = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
_MAXIMUM: dict[int, Any] = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


def _geometry(
    x: Tensor, kernel_sizes: Ints, strides: Ints | None, pad_type: str, pad: Ints | None
) -> tuple[list[int], list[int], Pairs]:
    kernel = ints(kernel_sizes)
    step = ints(strides) if strides is not None else [1] * len(kernel)
    return kernel, step, pad_pairs(pad_type, pad, x.shape[2:], kernel, step, [1] * len(kernel))


def _torch_pads(pairs: Pairs, kernel: list[int]) -> list[int] | None:
    """Return torch's symmetric padding, or None where torch has no such padding."""
    fits = all(before == after <= size // 2 for (before, after), size in zip(pairs, kernel, strict=True))
    return [before for before, _ in pairs] if fits else None


@operation("max_pool")
def max_pool(
    x: Tensor,
    kernel_sizes: Ints,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the maximum of each window; padding never wins."""
    kernel, step, pairs = _geometry(x, kernel_sizes, strides, pad_type, pad)
    pads = _torch_pads(pairs, kernel)
    if pads is None:
        x, pads = pad_zeros(x, pairs, -math.inf), [0] * len(kernel)
    result: Tensor = _MAXIMUM[len(kernel)](x, kernel, step, pads, 1, ceil_mode)
    return result


@operation("avg_pool")
def avg_pool(
    x: Tensor,
    kernel_sizes: Ints,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the mean of each window, padding counted unless it is excluded."""
    kernel, step, pairs = _geometry(x, kernel_sizes, strides, pad_type, pad)
    pads = _torch_pads(pairs, kernel)
    average = _AVERAGE[len(kernel)]
    if pads is not None:
        result: Tensor = average(x, kernel, step, pads, ceil_mode, not exclude_padding_from_average)
        return result
    mean: Tensor = average(pad_zeros(x, pairs), kernel, step)
    if not exclude_padding_from_average:
        return mean
    share: Tensor = average(pad_zeros(torch.ones((1, 1, *x.shape[2:])), pairs), kernel, step)
    return mean / share


@operation("l2_pool")
def l2_pool(
    x: Tensor,
    kernel_sizes: Ints,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the root of the sum of squares of each window."""
    kernel, step, pairs = _geometry(x, kernel_sizes, strides, pad_type, pad)
    if ceil_mode:
        raise TargetError(
            "cannot execute l2_pool with ceil_mode: what an incomplete window gives is not documented"
        )
    mean: Tensor = _AVERAGE[len(kernel)](pad_zeros(x * x, pairs), kernel, step)
    return torch.sqrt(mean * math.prod(kernel))
