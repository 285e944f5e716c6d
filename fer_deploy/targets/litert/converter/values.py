"""Values of a graph on their way into a LiteRT file: one value, held in one or more layouts of memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fer_deploy.targets.litert.converter.writer import IntegerGrid

if TYPE_CHECKING:
    import torch

#: The order in which a tensor's axes lie in memory: axis ``layout[i]`` of the value is axis ``i`` of the tensor.
Layout = tuple[int, ...]
#: Height, width, channels innermost: what convolutions and pools of LiteRT read and write.
CHANNELS_LAST: Layout = (0, 2, 3, 1)


def plain(rank: int) -> Layout:
    """Return torch's layout of so many axes."""
    return tuple(range(rank))


@dataclass(eq=False)
class Value:
    """One value of the graph.

    Attributes:
        shape: as torch has it.
        dtype: float32, int32, bool or int8, of the tensors.
        grid: of an int8 value.
        constant: what it is, where that is known before any image; int8 constants hold integers.
        held: the tensors that hold it, by their layout.
        real: the same in float32, once it was asked for.
        name: of its tensors.
    """

    shape: tuple[int, ...]
    dtype: str
    grid: IntegerGrid | None = None
    constant: torch.Tensor | None = None
    held: dict[Layout, int] = field(default_factory=dict)
    real: Value | None = None
    name: str = "value"

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def layout(self) -> Layout:
        """A layout that it is held in already; torch's where there is none."""
        return next(iter(self.held), plain(self.rank))

    def order(self, layout: Layout) -> tuple[int, ...]:
        """Return the axes longer than 1 in the order in which a layout has them: equal orders are equal bytes."""
        return tuple(axis for axis in layout if self.shape[axis] != 1)
