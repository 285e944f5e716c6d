"""Sums of products: convolutions of every kind in one to three dimensions, linear layers and matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter.sums import Fp16Sums, Sums
from fer_deploy.targets.coreml.interpreter.table import Ints, Operand, ints, operation, tensor

Pairs = list[tuple[int, int]]
_TRANSPOSED: dict[int, Any] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


def pad_pairs(
    pad_type: str,
    pad: Ints | None,
    extents: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Pairs:
    """Return (before, after) per spatial dimension for a MIL ``pad_type``.

    ``same`` gives outputs of ceil(extent / stride), the odd element after; ``same_lower`` puts it before.
    """
    if pad_type == "custom":
        flat = ints(pad) if pad is not None else [0] * (2 * len(extents))
        return list(zip(flat[::2], flat[1::2], strict=True))
    if pad_type == "valid":
        return [(0, 0)] * len(extents)
    pairs = []
    for extent, size, stride, dilation in zip(extents, kernel, strides, dilations, strict=True):
        effective = (size - 1) * dilation + 1
        total = max(0, effective - (stride if extent % stride == 0 else extent % stride))
        small, large = total // 2, total - total // 2
        pairs.append((large, small) if pad_type == "same_lower" else (small, large))
    return pairs


def pad_zeros(x: Tensor, pairs: Pairs, value: float = 0.0) -> Tensor:
    """Return ``x`` with its last dimensions padded by (before, after) pairs."""
    flat = [size for pair in reversed(pairs) for size in pair]
    return functional.pad(x, flat, value=value)


@operation("conv")
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
    *,
    sums: Sums,
) -> Tensor:
    """Cross-correlate x (N, C, ...) with weight (O, C/groups, ...)."""
    rank = x.ndim - 2
    step = ints(strides) if strides is not None else [1] * rank
    spread = ints(dilations) if dilations is not None else [1] * rank
    pairs = pad_pairs(pad_type, pad, x.shape[2:], weight.shape[2:], step, spread)
    if any(before != after for before, after in pairs):
        x, pairs = pad_zeros(x, pairs), [(0, 0)] * rank
    return sums.convolution(x, weight, bias, step, [before for before, _ in pairs], spread, int(groups))


@operation("conv_transpose")
def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: Ints | None = None,
    output_shape: Ints | None = None,
    pad_type: str = "valid",
    strides: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
    *,
    sums: Sums,
) -> Tensor:
    """Scatter x (N, C, ...) through weight (C, O/groups, ...), then crop what ``pad`` names."""
    if isinstance(sums, Fp16Sums):
        raise TargetError("cannot execute conv_transpose with fp16 accumulation; choose fp32")
    rank = x.ndim - 2
    step = ints(strides) if strides is not None else [1] * rank
    spread = ints(dilations) if dilations is not None else [1] * rank
    full: Tensor = _TRANSPOSED[rank](x, weight, None, step, 0, 0, int(groups), spread)
    wanted = ints(output_shape)[2:] if output_shape is not None else None
    if pad_type == "custom":
        pairs = pad_pairs("custom", pad, x.shape[2:], (), (), ())
    elif pad_type == "valid":
        pairs = [(0, 0)] * rank
    else:
        pairs = []
        for size, extent, stride in zip(full.shape[2:], x.shape[2:], step, strict=True):
            surplus = max(0, size - extent * stride)
            small, large = surplus // 2, surplus - surplus // 2
            pairs.append((large, small) if pad_type == "same_lower" else (small, large))
    for index, (before, after) in enumerate(pairs):
        axis = index + 2
        length = wanted[index] if wanted else full.shape[axis] - before - after
        missing = before + length - full.shape[axis]
        if missing > 0:  # torch's output_padding: rows that no product reaches
            full = pad_zeros(full, [(0, missing), *[(0, 0)] * (rank - 1 - index)])
        full = full.narrow(axis, before, length)
    return full if bias is None else full + bias.reshape(1, -1, *[1] * rank)


@operation("linear")
def linear(x: Tensor, weight: Tensor, bias: Operand | None = None, *, sums: Sums) -> Tensor:
    """Return x (..., K) times the transpose of weight (M, K), plus bias (M,)."""
    y = sums.product(x, weight.transpose(-1, -2))
    return y if bias is None else y + tensor(bias)


@operation("matmul")
def matmul(
    x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False, *, sums: Sums
) -> Tensor:
    """Return the matrix product, either factor transposed in its last two dimensions first."""
    left = x.transpose(-1, -2) if transpose_x and x.ndim > 1 else x
    right = y.transpose(-1, -2) if transpose_y and y.ndim > 1 else y
    return sums.product(left, right)


@operation("einsum")
def einsum(values: Sequence[Tensor], equation: str, *, sums: Sums) -> Tensor:
    """Return the Einstein sum of ``values``."""
    if isinstance(sums, Fp16Sums):
        raise TargetError("cannot execute einsum with fp16 accumulation; choose fp32")
    return torch.einsum(equation, *values)
