"""The table of operations that the interpreter knows: MIL name to a function on torch tensors.

An operation's function has the operation's parameter names (coremltools' MIL reference) and default values.
Tensors are float32 whatever the program declares: the executor rounds each result to its declared type.
Constants of rank 0 arrive as Python numbers, strings as str, everything else as tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

#: A tensor or a Python number that stands for a tensor of rank 0.
Operand: TypeAlias = "Tensor | float"
#: A constant vector of integers as it arrives.
Ints: TypeAlias = "Tensor | Sequence[int] | int"
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
        parameters: names that the program may pass.
        takes_sums: the function has a keyword ``sums`` that decides how products are summed.
    """

    function: Callable[..., Any]
    parameters: frozenset[str]
    takes_sums: bool


OPERATIONS: dict[str, Entry] = {}


def operation(*kinds: str) -> Callable[[Function], Function]:
    """Put the decorated function into the table under each MIL name in ``kinds``."""

    def register(function: Function) -> Function:
        names = set(inspect.signature(function).parameters)
        entry = Entry(function, frozenset(names - {"sums"}), "sums" in names)
        for kind in kinds:
            assert kind not in OPERATIONS, f"operation {kind} is defined twice"
            OPERATIONS[kind] = entry
        return function

    return register


def tensor(value: Operand) -> Tensor:
    """Return an operand as a tensor; Python numbers become rank 0."""
    return value if isinstance(value, Tensor) else torch.tensor(value)


def ints(value: Ints) -> list[int]:
    """Return a constant vector of integers as a list; a number is a vector of one."""
    if isinstance(value, Tensor):
        return [int(item) for item in value.reshape(-1).tolist()]
    return [value] if isinstance(value, int) else [int(item) for item in value]


def along_axis(vector: Operand, axis: int, rank: int) -> Tensor:
    """Return a vector shaped to broadcast along ``axis`` of a tensor of ``rank``; rank 0 stays as it is."""
    values = tensor(vector)
    if values.ndim == 0:
        return values
    shape = [1] * rank
    shape[axis] = -1
    return values.reshape(shape)
