"""Which of several things is worth having: those that no other beats in every respect."""

from __future__ import annotations

from collections.abc import Sequence

#: What something costs, respect by respect; less is better, so an accuracy stands here with a minus.
Costs = tuple[float, ...]


def dominates(one: Costs, other: Costs) -> bool:
    """Whether ``one`` is no worse than ``other`` in any respect and better in one."""
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def on_front(costs: Sequence[Costs]) -> list[bool]:
    """Return for each whether none of the others dominates it."""
    return [not any(dominates(other, one) for other in costs) for one in costs]
