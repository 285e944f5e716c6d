"""Where two forms of one graph part: the values of their layers, side by side on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.quantize.layers import layer_name, value_name
from fer_deploy.quantize.proof import EXACT_DB, Logits, sqnr_of, within_rounding

if TYPE_CHECKING:
    import torch

#: Where counting a layer's cost starts: what eight bits give a layer of well spread values.
_NO_NOISE_DB = 45.0
#: Share of a jump's values that float rounding may move.
_MOST_MOVED = 1e-3
#: Operators whose value jumps although it is a float, by the beginning of their names.
_JUMPS = (
    "aten.round",
    "aten.floor",
    "aten.ceil",
    "aten.trunc",
    "aten.frac",
    "aten.sign",
    "aten.fmod",
    "aten.remainder",
)


def is_jump(node: torch.fx.Node) -> bool:
    """Return whether the least change of an operation's float input may change its value by a whole step."""
    value: Any = node.meta.get("val")
    if node.op != "call_function" or not hasattr(value, "dtype"):
        return False
    if str(node.target).startswith(_JUMPS):
        return True
    sources: list[Any] = [source.meta.get("val") for source in node.all_input_nodes]
    reads_floats = any(hasattr(source, "dtype") and source.dtype.is_floating_point for source in sources)
    return reads_floats and not value.dtype.is_floating_point


def named_values(graph: torch.fx.GraphModule, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return what each operation of a graph gives on some images, by the name of its value, in graph order."""
    import torch

    found: dict[str, NDArray[np.float32]] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            value = super().run_node(n)
            name = value_name(n)
            if name is not None and isinstance(value, torch.Tensor) and value.is_floating_point():
                found[name] = value.detach().float().numpy()
            return value

    with torch.no_grad():
        Recorder(graph).run(torch.from_numpy(pixels.astype(np.float32)))
    return found


def first_parting(
    before: torch.fx.GraphModule,
    after: torch.fx.GraphModule,
    pixels: NDArray[np.uint8],
    least_db: float = EXACT_DB,
) -> str | None:
    """Return the first layer, in graph order, whose values differ by more than rounding; None where none does."""
    first, second = named_values(before, pixels), named_values(after, pixels)
    for name, values in first.items():
        if name in second and not within_rounding(values, second[name], least_db):
            return f"layer {name}"
    return None


@dataclass(frozen=True, eq=False)
class SameJumps:
    """Two graphs' answers where every jump, such as a cast to whole numbers, gives the second what it gave the first.

    Attributes:
        before, after: float32 (N, K).
        note: which jump moved, and on how many values.
    """

    before: Logits
    after: Logits
    note: str


def with_jumps_held(
    before: torch.fx.GraphModule, after: torch.fx.GraphModule, pixels: NDArray[np.uint8]
) -> SameJumps | None:
    """Return two graphs' answers with the jumps of the second held to those of the first; None where none moved.

    Float rounding moves a value across a jump now and then, and what follows is no rounding any more: a step that
    only rounds is recognised by what it answers when that value stays where it was. Where more than one value in a
    thousand moves, it is no rounding, and nothing is held.
    """
    import torch

    batch = torch.from_numpy(pixels.astype(np.float32))
    stood: dict[str, torch.Tensor] = {}
    moved: dict[str, tuple[int, int]] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            value, name = super().run_node(n), value_name(n)
            if name is not None and is_jump(n):
                stood[name] = value
            return value

    class Holder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            value, name = super().run_node(n), value_name(n)
            if name not in stood or not is_jump(n) or stood[name].shape != value.shape:
                return value
            count = int((stood[name] != value).sum())
            if 0 < count <= max(1, _MOST_MOVED * value.numel()):
                moved[name] = count, value.numel()
                return stood[name]
            return value

    with torch.no_grad():
        first = Recorder(before).run(batch).float().numpy()
        second = Holder(after).run(batch).float().numpy()
    if not moved:
        return None
    said = ", ".join(f"{count} of {total} values of {name}" for name, (count, total) in moved.items())
    return SameJumps(
        first, second, f"float rounding moves {said} across a jump; answers compared with these held"
    )


def costliest_layers(
    before: torch.fx.GraphModule, after: torch.fx.GraphModule, pixels: NDArray[np.uint8]
) -> dict[str, float]:
    """Return by how many dB a graph's noise grows at each layer against another's, worst first.

    Each layer's noise contains what reached it: a layer counts by how far its SQNR lies below the lowest before it.
    Layers are called as options call them, by the path of their weight.
    """
    first, second = named_values(before, pixels), named_values(after, pixels)
    called = {value_name(node): layer_name(node) for node in after.graph.nodes}
    drops: list[tuple[float, str]] = []
    lowest = _NO_NOISE_DB
    for name, values in first.items():
        if name not in second or second[name].shape != values.shape or values.ndim < 2:
            continue
        here = sqnr_of(values, second[name])
        if here < lowest:
            drops.append((lowest - here, called.get(name, name)))
            lowest = here
    return {name: drop for drop, name in sorted(drops, reverse=True)}


def said(costs: Mapping[str, float], count: int = 3) -> tuple[str, ...]:
    """Return the layers that cost most, for people."""
    return tuple(f"{name} (-{drop:.0f} dB)" for name, drop in costs.items() if drop >= 1)[:count]
