"""The rows of a runtime's own profile, and how the runtime calls its kernels in it."""

from __future__ import annotations

from dataclasses import dataclass

#: Where an operator ran that no delegate took.
NOT_DELEGATED = "not delegated"


@dataclass(frozen=True)
class LayerTrace:
    """One operator as the runtime ran it.

    Attributes:
        name: the runtime's name for it.
        kind: the runtime's name for its kind of kernel.
        place: the delegate or provider that ran it, or :data:`NOT_DELEGATED`.
        milliseconds: one duration per inference, in order.
        outputs: elements written, or None where the profile does not say.
        weights: parameters in bytes, or None where the profile does not say.
    """

    name: str
    kind: str
    place: str
    milliseconds: tuple[float, ...]
    outputs: int | None = None
    weights: int | None = None


@dataclass(frozen=True)
class Kernels:
    """How a runtime calls its kernels; of a runtime of which nothing is said, none is known to multiply.

    Attributes:
        multiplying: kinds of kernel that multiply.
        beginnings: how the names of further kinds that multiply begin.
        floating: kinds whose float form in an int8 network means that something was not fused.
        depthwise: what the kinds of depthwise convolutions have in their name; None: they cannot be told.
        blocked: ending of the names of operators that fill their last block of channels up, or None.
    """

    multiplying: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()
    floating: frozenset[str] = frozenset()
    depthwise: str | None = None
    blocked: str | None = None

    def multiplies(self, kind: str) -> bool:
        """Return whether a kind of kernel multiplies."""
        return kind in self.multiplying or kind.startswith(self.beginnings)

    def is_depthwise(self, kind: str) -> bool:
        """Return whether a kind is known to be a depthwise convolution."""
        return self.depthwise is not None and self.depthwise in kind

    def is_blocked(self, name: str) -> bool:
        """Return whether an operator may write more channels than its layer has."""
        return self.blocked is not None and name.endswith(self.blocked)
