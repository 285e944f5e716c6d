"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter.sums import Fp16Sums, Sums
from fer_deploy.targets.coreml.interpreter.table import Operand, operation, tensor


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
