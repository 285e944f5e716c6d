"""What one inference costs before any device is known: operators with their multiplications and data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Kind = Literal["conv", "pointwise", "depthwise", "grouped", "linear", "pool", "elementwise"]
KINDS: tuple[Kind, ...] = ("conv", "pointwise", "depthwise", "grouped", "linear", "pool", "elementwise")


@dataclass(frozen=True)
class Op:
    """One operator as it runs: normalisation folded, ReLU and ReLU6 fused into what they follow.

    Attributes:
        kind: conv (dense, kernel above 1x1), pointwise (dense 1x1), depthwise, grouped, linear, pool,
            elementwise (additions, products, activations that stay operators, concatenation, shuffles).
        macs: multiply-accumulates.
        weights: number of weights, biases left out.
        inputs: elements read, weights left out.
        outputs: elements written.
        kernel: side of the (square) kernel; 1 where there is none.
        stride: of the kernel; 1 where there is none.
    """

    kind: Kind
    macs: int
    weights: int
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1


@dataclass(frozen=True)
class GraphCosts:
    """The operators of one inference at batch 1, in any order."""

    name: str
    ops: tuple[Op, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(op.macs for op in self.ops)

    @property
    def weights(self) -> int:
        """Number of weights, biases and folded normalisation left out."""
        return sum(op.weights for op in self.ops)

    def macs_by_kind(self) -> dict[Kind, int]:
        """Return multiply-accumulates per kind of operator, every kind present."""
        counter: Counter[Kind] = Counter()
        for op in self.ops:
            counter[op.kind] += op.macs
        return {kind: counter[kind] for kind in KINDS}
