"""Comparisons, logic and selection."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fer_deploy.targets.coreml.interpreter.table import Operand, operation, tensor

_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
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


def _register(kind: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @operation(kind)
    def binary(x: Operand, y: Operand) -> Tensor:
        return function(tensor(x), tensor(y))


for _kind, _function in _BINARY.items():
    _register(_kind, _function)


@operation("logical_not")
def logical_not(x: Operand) -> Tensor:
    """True where ``x`` is not."""
    return torch.logical_not(tensor(x))


@operation("select")
def select(cond: Operand, a: Operand, b: Operand) -> Tensor:
    """``a`` where the condition holds, ``b`` elsewhere."""
    return torch.where(tensor(cond).bool(), tensor(a), tensor(b))
