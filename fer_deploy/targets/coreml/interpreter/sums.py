"""How products are summed in convolutions and matrix products: in fp32, or in fp16 one product at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from fer_deploy.errors import TargetError

Accumulation = Literal["fp32", "fp16"]
_CONVOLUTIONS: dict[int, Any] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def round_to_fp16(x: Tensor) -> Tensor:
    """Return float32 ``x`` rounded to the nearest half-precision value; beyond 65,504 it becomes infinite."""
    return x.half().float()


class Sums(ABC):
    """Products of float32 tensors whose values may be fp16 values."""

    @abstractmethod
    def convolution(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        strides: Sequence[int],
        padding: Sequence[int],
        dilations: Sequence[int],
        groups: int,
    ) -> Tensor:
        """Return the cross-correlation of x (N, C, ...) and weight (O, C/groups, ...), zero-padded."""

    @abstractmethod
    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the matrix product of (..., M, K) and (..., K, N)."""


class _Fp32Sums(Sums):
    """Sums in fp32, in the order of torch's kernels: what a CPU or an accelerator with wide sums does."""

    def convolution(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        strides: Sequence[int],
        padding: Sequence[int],
        dilations: Sequence[int],
        groups: int,
    ) -> Tensor:
        convolve = _CONVOLUTIONS[len(strides)]
        result: Tensor = convolve(x, weight, bias, strides, padding, dilations, groups)
        return result

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.matmul(a, b)


class Fp16Sums(Sums):
    """Every partial sum rounded to fp16, one product at a time, bias last: the worst order of summation."""

    def convolution(  # noqa: D102 - as the base class
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        strides: Sequence[int],
        padding: Sequence[int],
        dilations: Sequence[int],
        groups: int,
    ) -> Tensor:
        if len(strides) == 3:
            raise TargetError("cannot execute a 3-D convolution with fp16 accumulation; choose fp32")
        flat = len(strides) == 1
        if flat:
            x, weight = x.unsqueeze(2), weight.unsqueeze(2)
            strides, padding, dilations = (1, *strides), (0, *padding), (1, *dilations)
        batch, height, width = x.shape[0], x.shape[2], x.shape[3]
        size = [
            (extent + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for extent, pad, dilation, kernel, stride in zip(
                (height, width), padding, dilations, weight.shape[2:], strides, strict=True
            )
        ]
        patches = functional.unfold(
            x, tuple(weight.shape[2:]), tuple(dilations), tuple(padding), tuple(strides)
        )
        patches = patches.reshape(batch, groups, -1, size[0] * size[1])
        rows = weight.reshape(groups, weight.shape[0] // groups, -1)
        y = self.product(rows, patches).reshape(batch, weight.shape[0], *size)
        if bias is not None:
            y = round_to_fp16(y + bias.reshape(1, -1, 1, 1))
        return y.squeeze(2) if flat else y

    def product(self, a: Tensor, b: Tensor) -> Tensor:  # noqa: D102 - as the base class
        if b.ndim == 1:
            return self.product(a, b.unsqueeze(-1)).squeeze(-1)
        total = round_to_fp16(a[..., :, 0:1] * b[..., 0:1, :])
        for k in range(1, a.shape[-1]):
            total = round_to_fp16(total + a[..., :, k : k + 1] * b[..., k : k + 1, :])
        return total


SUMS: dict[Accumulation, Sums] = {"fp32": _Fp32Sums(), "fp16": Fp16Sums()}
