"""Reductions, cumulative sums and sorting, and the normalizations that are made of reductions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from fer_deploy.targets.coreml.interpreter.operations.products import pad_zeros
from fer_deploy.targets.coreml.interpreter.table import Ints, Operand, along_axis, ints, operation, tensor


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


def _scaled(x: Tensor, gamma: Operand | None, beta: Operand | None) -> Tensor:
    if gamma is not None:
        x = x * along_axis(gamma, 1, x.ndim)
    return x if beta is None else x + along_axis(beta, 1, x.ndim)


@operation("batch_norm")
def batch_norm(
    x: Tensor,
    mean: Operand,
    variance: Operand,
    gamma: Operand | None = None,
    beta: Operand | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Normalise each channel with given statistics."""
    root = torch.sqrt(tensor(variance) + epsilon)
    return _scaled((x - along_axis(mean, 1, x.ndim)) / along_axis(root, 1, x.ndim), gamma, beta)


@operation("instance_norm")
def instance_norm(
    x: Tensor, gamma: Operand | None = None, beta: Operand | None = None, epsilon: float = 1e-5
) -> Tensor:
    """Normalise each channel of each instance with its own statistics."""
    axes = tuple(range(2, x.ndim))
    return _scaled(_standardised(x, axes, epsilon), gamma, beta)


@operation("layer_norm")
def layer_norm(
    x: Tensor,
    axes: Ints | None = None,
    gamma: Operand | None = None,
    beta: Operand | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Normalise over ``axes`` (default all); gamma and beta have the shape of those axes."""
    dims = tuple(axis % x.ndim for axis in ints(axes)) if axes is not None else tuple(range(x.ndim))
    y = _standardised(x, dims, epsilon)
    shape = [size if axis in dims else 1 for axis, size in enumerate(x.shape)]
    if gamma is not None:
        y = y * tensor(gamma).reshape(shape)
    return y if beta is None else y + tensor(beta).reshape(shape)


def _standardised(x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return centred / torch.sqrt((centred * centred).mean(axes, keepdim=True) + epsilon)


@operation("l2_norm")
def l2_norm(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Divide by the root of the sum of squares over the last three dimensions."""
    return x / torch.sqrt((x * x).sum((-3, -2, -1), keepdim=True) + epsilon)


@operation("local_response_norm")
def local_response_norm(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by a power of the mean square of ``size`` neighbouring channels."""
    flat = (x * x).flatten(2).transpose(1, 2)
    padded = pad_zeros(flat, [(size // 2, (size - 1) // 2)])
    mean = functional.avg_pool1d(padded, size, 1).transpose(1, 2).reshape(x.shape)
    return x / (k + alpha * mean) ** beta
