"""Normalization over channels, instances, layers and neighbours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fer_deploy.targets.coreml.interpreter.operations.convolution import pad_zeros
from fer_deploy.targets.coreml.interpreter.table import Ints, Operand, along_axis, ints, operation, tensor


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
