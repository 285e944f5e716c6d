"""What XNNPACK's lowering does for operators that a graph does not contain, left out: the same bytes, sooner.

executorch 1.5.1 runs seventeen passes over every graph that it hands to XNNPACK, each of which traces the whole graph
anew, and exports two attention and four bilinear networks to look for their patterns. Both are in vain where the
operator that a pass is for does not occur (``backends/xnnpack/_passes/__init__.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

#: A pass, by name, and what stands in the names of the operators that it changes. Every other pass always runs.
_CHANGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ConvertToUpsampleBilinear2d": ("upsample", "index"),
        "ConvertToSDPAPass": ("softmax", "scaled_dot_product"),
        "FuseBatchNormPass": ("batch_norm",),
        "DecomposeBatchNorm": ("batch_norm",),
        "DecomposeConcatenate": ("cat",),
        "InsertPadQDQPass": ("pad",),
        "PReLUReshapePass": ("prelu",),
        "RemoveGetItemPass": ("getitem", "max", "with_indices"),
    }
)


def needed(passes: list[Any], module: Any) -> list[Any]:
    """Return the passes that can change a graph.

    Args:
        passes: classes.
        module: the graph module that they would run on.
    """
    operators = {
        str(getattr(node.target, "__name__", node.target)).lower()
        for node in module.graph.nodes
        if node.op == "call_function"
    }
    return [
        one
        for one in passes
        if one.__name__ not in _CHANGES
        or any(part in operator for part in _CHANGES[one.__name__] for operator in operators)
    ]


@contextmanager
def only_needed_passes() -> Iterator[None]:
    """Let XNNPACK's pass manager leave out, while the block runs, what :func:`needed` leaves out."""
    from executorch.backends.xnnpack._passes import XNNPACKPassManager

    plain = XNNPACKPassManager.__init__

    def shortened(self: Any, exported_program: Any, passes: list[Any] | None = None) -> None:
        plain(self, exported_program, passes)
        if not passes:  # a caller that names its passes gets them
            self.passes = needed(self.passes, exported_program.graph_module)

    XNNPACKPassManager.__init__ = shortened
    try:
        yield
    finally:
        XNNPACKPassManager.__init__ = plain
