"""Activations."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fer_deploy.errors import TargetError
from fer_deploy.targets.coreml.interpreter.table import Operand, along_axis, operation, tensor


@operation("relu")
def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return torch.relu(x)


@operation("relu6")
def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6)."""
    return torch.clamp(x, 0.0, 6.0)


@operation("clip")
def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    """min(max(x, alpha), beta)."""
    return torch.clamp(x, alpha, beta)


@operation("clamped_relu")
def clamped_relu(x: Tensor, alpha: float, beta: float) -> Tensor:
    """min(beta, x) where x >= 0, min(beta, alpha x) elsewhere."""
    return torch.clamp(torch.where(x >= 0, x, alpha * x), max=beta)


@operation("leaky_relu")
def leaky_relu(x: Tensor, alpha: float) -> Tensor:
    """``x`` where it is positive, alpha x elsewhere."""
    return torch.where(x >= 0, x, alpha * x)


@operation("prelu")
def prelu(x: Tensor, alpha: Operand) -> Tensor:
    """``x`` where it is positive, alpha of its channel times x elsewhere."""
    return torch.where(x > 0, x, along_axis(alpha, 1, x.ndim) * x)


@operation("thresholded_relu")
def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    """``x`` where it is at least alpha, 0 elsewhere."""
    return torch.where(x >= alpha, x, 0.0)


@operation("elu")
def elu(x: Tensor, alpha: float) -> Tensor:
    """``x`` where it is positive, alpha (e^x - 1) elsewhere."""
    return torch.where(x > 0, x, alpha * torch.expm1(x))


@operation("linear_activation")
def linear_activation(x: Tensor, alpha: float, beta: float = 0.0) -> Tensor:
    """Alpha x + beta."""
    return x * alpha + beta


@operation("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x)."""
    return torch.sigmoid(x)


@operation("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """min(max(alpha x + beta, 0), 1)."""
    return torch.clamp(x * alpha + beta, 0.0, 1.0)


@operation("silu")
def silu(x: Tensor) -> Tensor:
    """``x`` sigmoid(x)."""
    return functional.silu(x)


@operation("gelu")
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """Gaussian error linear unit, exact or in one of its two approximations."""
    if mode == "EXACT":
        return functional.gelu(x)
    if mode == "TANH_APPROXIMATION":
        return functional.gelu(x, approximate="tanh")
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    raise TargetError(f"cannot execute gelu with the unknown mode '{mode}'")


@operation("tanh")
def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return torch.tanh(x)


@operation("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: float = 1.0, beta: float = 1.0) -> Tensor:
    """Alpha tanh(beta x)."""
    return alpha * torch.tanh(beta * x)


@operation("softplus")
def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x), without overflow."""
    return torch.logaddexp(x, torch.zeros_like(x))


@operation("softplus_parametric")
def softplus_parametric(x: Tensor, alpha: Operand, beta: Operand) -> Tensor:
    """Alpha log(1 + e^(beta x)), alpha and beta per channel."""
    return along_axis(alpha, 1, x.ndim) * softplus(along_axis(beta, 1, x.ndim) * x)


@operation("softsign")
def softsign(x: Tensor) -> Tensor:
    """``x`` / (1 + |x|)."""
    return x / (1 + torch.abs(x))


@operation("softmax")
def softmax(x: Operand, axis: int = -1) -> Tensor:
    """e^x over its sum along ``axis``."""
    return torch.softmax(tensor(x), int(axis))
