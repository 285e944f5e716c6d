"""What ExecuTorch's lowering does in vain, left out: the same bytes, sooner.

executorch 1.5.1 runs seventeen passes over every graph that it hands to XNNPACK, and exports two attention and four
bilinear networks to look for their patterns: in vain where the operator that a pass is for does not occur
(``backends/xnnpack/_passes/__init__.py``). A pass that has changed nothing traces the whole graph anew all the same
(``exir/pass_base.py``), and three decompositions run where one has something to do (``exir/program/_program.py``).
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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


@contextmanager
def in_place_of(owner: Any, name: str, other: Any) -> Iterator[None]:
    """Let ``other`` stand, while the block runs, where an attribute of ExecuTorch's or torch's stands."""
    plain = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, plain)


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

    with in_place_of(XNNPACKPassManager, "__init__", shortened):
        yield


def _print_of(graph: Any) -> tuple[Any, ...]:
    """Return what a trace of a graph depends on: operators, arguments, and the values that stand at its nodes."""
    return tuple(
        (node.op, node.name, node.target, repr(node.args), repr(node.kwargs), id(node.meta.get("val")))
        for node in graph.nodes
    )


def _takes_a_scalar_for_a_tensor(node: Any) -> bool:
    stated = getattr(getattr(node.target, "_schema", None), "arguments", ())
    given = {**{one.name: value for one, value in zip(stated, node.args, strict=False)}, **node.kwargs}
    return any(
        "Tensor" in str(one.type) and isinstance(given.get(one.name), (bool, int, float)) for one in stated
    )


def _takes_more_than_tensors(node: Any) -> bool:
    return any(not hasattr(source.meta.get("val"), "dtype") for source in node.all_input_nodes)


def _may_promote(node: Any) -> bool:
    if "quantized_decomposed" in str(node.target):
        return False
    kinds = {getattr(source.meta.get("val"), "dtype", None) for source in node.all_input_nodes}
    return len(kinds) > 1 or not all(kind is not None and kind.is_floating_point for kind in kinds)


def _named(*parts: str) -> Callable[[Any], bool]:
    return lambda node: any(part in str(node.target) for part in parts)


#: A pass, by name, that changes operators while it traces, and whether it may change one. Each is asked more widely
#: than the pass is, so that what is left out would have changed nothing (``exir/passes/``).
_CHANGES_WHILE_TRACING: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "NormalizeTransposePass": _named("aten.t."),
        "ReplaceBrokenOpsWithFunctionalOpsPass": lambda node: bool(getattr(node.target, "is_view", True)),
        "ScalarToTensorPass": _takes_a_scalar_for_a_tensor,
        "SymToTensorPass": _takes_more_than_tensors,
        "RemoveMixedTypeOperators": _may_promote,
        "MemoryFormatOpsPass": _named("_to_copy", "empty", "clone"),
        "DimOrderOpsRevertPass": _named("dim_order"),
        "ConstPropPass": lambda node: not node.all_input_nodes,
    }
)


def _traces_only(kind: type[Any], base: type[Any], graph: Any) -> bool:
    """Return whether all that a pass does while it traces a graph is to trace it."""
    may_change = _CHANGES_WHILE_TRACING.get(kind.__name__)
    own = {
        name
        for name in dir(base)
        if not name.startswith("__")
        and callable(getattr(base, name))
        and getattr(kind, name) is not getattr(base, name)
    } - {"call"}
    if may_change is None or own != {"call_operator"}:
        return not own
    return not any(node.op == "call_function" and may_change(node) for node in graph.nodes)


@contextmanager
def no_idle_retraces() -> Iterator[None]:
    """Let a pass, while the block runs, not trace a graph anew that is as the last trace left it."""
    from executorch.exir.pass_base import ExportPass, PassResult

    plain = ExportPass.call
    traced: weakref.WeakKeyDictionary[Any, tuple[Any, ...]] = weakref.WeakKeyDictionary()

    def call(self: Any, graph_module: Any) -> Any:
        idle = _traces_only(type(self), ExportPass, graph_module.graph)
        if idle and traced.get(graph_module.graph) == _print_of(graph_module.graph):
            return PassResult(graph_module, True)
        result = plain(self, graph_module)
        if idle:
            traced[result.graph_module.graph] = _print_of(result.graph_module.graph)
        return result

    with in_place_of(ExportPass, "call", call):
        yield


def settled(program: Any, table: Mapping[Any, Any]) -> bool:
    """Return whether decomposing an exported program by a table would change nothing.

    It is where no operator of the table occurs, none is decomposed by every table (a composite one that may give out
    what it was given, such as flatten), none writes into what it is given, and nothing is nested.
    """
    from torch._export.utils import _is_cia_op, _is_preservable_cia_op

    for node in program.graph_module.graph.nodes:
        if node.op in ("placeholder", "output") or node.target is operator.getitem:
            continue
        schema = getattr(node.target, "_schema", None)
        if node.op != "call_function" or schema is None or schema.is_mutable or node.target in table:
            return False
        if _is_cia_op(node.target) and not _is_preservable_cia_op(node.target):
            return False
    return True


@contextmanager
def no_idle_decompositions() -> Iterator[None]:
    """Let a program, while the block runs, not be decomposed where :func:`settled` says that nothing would change."""
    from torch.export import ExportedProgram

    plain = ExportedProgram.run_decompositions

    def run_decompositions(self: Any, decomp_table: Any = None, *args: Any, **kwargs: Any) -> Any:
        if decomp_table is not None and settled(self, decomp_table):
            return self
        return plain(self, decomp_table, *args, **kwargs)

    with in_place_of(ExportedProgram, "run_decompositions", run_decompositions):
        yield


@contextmanager
def shortcuts() -> Iterator[None]:
    """Leave out, while the block runs, all that changes nothing."""
    with ExitStack() as stack:
        for shortcut in (only_needed_passes, no_idle_retraces, no_idle_decompositions):
            stack.enter_context(shortcut())
        yield
