"""Element by element: arithmetic, comparisons, logic and selection, and casts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fer_deploy.targets.coreml.interpreter.table import Operand, operation, tensor

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "floor": torch.floor,
    "round": torch.round,
    "sign": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
}
_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.div,
    "floor_div": torch.floor_divide,
    "mod": torch.remainder,
    "pow": torch.pow,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "equal": torch.eq,
    "not_equal": torch.ne,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
}


def _register_unary(kind: str, function: Callable[[Tensor], Tensor]) -> None:
    @operation(kind)
    def unary(x: Operand) -> Tensor:
        return function(tensor(x))


def _register_binary(kind: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @operation(kind)
    def binary(x: Operand, y: Operand) -> Tensor:
        return function(tensor(x), tensor(y))


for _kind, _unary in _UNARY.items():
    _register_unary(_kind, _unary)
for _kind, _binary in _BINARY.items():
    _register_binary(_kind, _binary)


@operation("log")
def log(x: Operand, epsilon: float = 1e-45) -> Tensor:
    """Natural logarithm of x + epsilon."""
    return torch.log(tensor(x) + epsilon)


@operation("rsqrt")
def rsqrt(x: Operand, epsilon: float = 1e-12) -> Tensor:
    """1 / sqrt(x + epsilon)."""
    return torch.rsqrt(tensor(x) + epsilon)


@operation("inverse")
def inverse(x: Operand, epsilon: float = 1e-4) -> Tensor:
    """1 / (x + epsilon)."""
    return torch.reciprocal(tensor(x) + epsilon)


@operation("threshold")
def threshold(x: Operand, alpha: float) -> Tensor:
    """max(x, alpha)."""
    return torch.clamp(tensor(x), min=alpha)


@operation("cast")
def cast(x: Operand, dtype: str) -> Tensor:
    """Return ``x`` as the named type; floats lose their fraction on the way to integers."""
    value = tensor(x)
    if dtype == "bool":
        return value != 0
    return value.float() if dtype in ("fp16", "fp32") else torch.trunc(value)


@operation("identity")
def identity(x: Operand) -> Tensor:
    """``x`` itself."""
    return tensor(x)


@operation("logical_not")
def logical_not(x: Operand) -> Tensor:
    """True where ``x`` is not."""
    return torch.logical_not(tensor(x))


@operation("select")
def select(cond: Operand, a: Operand, b: Operand) -> Tensor:
    """``a`` where the condition holds, ``b`` elsewhere."""
    return torch.where(tensor(cond).bool(), tensor(a), tensor(b))
