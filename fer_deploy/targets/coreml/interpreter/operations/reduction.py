"""Reductions, cumulative sums and sorting."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fer_deploy.targets.coreml.interpreter.table import Ints, ints, operation


def _product(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


_REDUCTIONS: dict[str, Callable[[Tensor, tuple[int, ...], bool], Tensor]] = {
    "reduce_mean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "reduce_sum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
    "reduce_max": lambda x, axes, keep: torch.amax(x, axes, keepdim=keep),
    "reduce_min": lambda x, axes, keep: torch.amin(x, axes, keepdim=keep),
    "reduce_prod": _product,
    "reduce_sum_square": lambda x, axes, keep: (x * x).sum(axes, keepdim=keep),
    "reduce_l1_norm": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "reduce_l2_norm": lambda x, axes, keep: torch.sqrt((x * x).sum(axes, keepdim=keep)),
    "reduce_log_sum": lambda x, axes, keep: torch.log(x.sum(axes, keepdim=keep)),
    "reduce_log_sum_exp": lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep),
}


def _register(kind: str, function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> None:
    @operation(kind)
    def reduce(x: Tensor, axes: Ints | None = None, keep_dims: bool = False) -> Tensor:
        dims = tuple(ints(axes)) if axes is not None else tuple(range(x.ndim))
        return function(x, dims, keep_dims)


for _kind, _function in _REDUCTIONS.items():
    _register(_kind, _function)


@operation("reduce_argmax")
def reduce_argmax(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:  # noqa: ARG001 - the declared output type says the same
    """Return the index of the largest element, the first of equals."""
    return torch.argmax(x, int(axis), keepdim=keep_dims)


@operation("reduce_argmin")
def reduce_argmin(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:  # noqa: ARG001 - the declared output type says the same
    """Return the index of the smallest element, the first of equals."""
    return torch.argmin(x, int(axis), keepdim=keep_dims)


@operation("cumsum")
def cumsum(x: Tensor, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """Return running sums, from the other end if ``reverse``, of what comes before if ``exclusive``."""
    y = torch.flip(x, (axis,)) if reverse else x
    total = torch.cumsum(y, axis)
    if exclusive:
        total = total - y
    return torch.flip(total, (axis,)) if reverse else total


@operation("topk")
def topk(
    x: Tensor,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
    output_indices_dtype: str = "int32",  # noqa: ARG001 - the declared output type says the same
) -> tuple[Tensor, ...]:
    """Return the largest (smallest if ``ascending``) ``k`` values along ``axis``, and where they are."""
    values, indices = torch.topk(x, int(k), int(axis), largest=not ascending, sorted=sort)
    return (values, indices) if return_indices else (values,)


@operation("argsort")
def argsort(x: Tensor, axis: int = -1, ascending: bool = False) -> Tensor:
    """Return the indices that sort ``x`` along ``axis``."""
    return torch.argsort(x, int(axis), descending=not ascending)
