"""From a graph to the bytes of a LiteRT file."""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram

from fer_deploy.errors import TargetError
from fer_deploy.quantize.canonical import copy_graph
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.layers import (
    layer_name,
    name_layers,
    weighted_layers,
    weighted_operators,
)
from fer_deploy.quantize.rewrite.batchnorm import fold_batch_norm
from fer_deploy.quiet import quiet
from fer_deploy.targets.litert.converter import operators  # noqa: F401 - fills HANDLERS
from fer_deploy.targets.litert.converter.lowering import HANDLERS, Lowering

#: Decompositions of decompositions end; this many rounds are more than any network needed.
_ROUNDS = 4


def convert(graph: Graph) -> bytes:
    """Return the LiteRT file of a graph at batch 1; equal graphs give equal bytes.

    Operators that have no writer are replaced by what torch decomposes them into, and no others.

    Raises:
        TargetError: an operator has neither a writer nor a decomposition that has, or is used in a way not written.
    """
    program = _folded(graph.export())
    names = _names(graph, program)
    program = _decomposed(program)
    return Lowering(program, names).run(_contents(program), f"fer-deploy {graph.recipe.name}")


def _folded(program: ExportedProgram) -> ExportedProgram:
    """Return a program whose BatchNorm is in the layers before it: a graph that is not canonical may have some left."""
    if all(node.target != torch.ops.aten.batch_norm.default for node in program.graph.nodes):
        return program
    with quiet():
        module = copy_graph(program.module(check_guards=False))  # whose weights are the caller's
        name_layers(module)
        fold_batch_norm(module)
        shape = next(node.meta["val"].shape for node in module.graph.nodes if node.op == "placeholder")
        return torch.export.export(module, (torch.zeros(shape),))


def _decomposed(program: ExportedProgram) -> ExportedProgram:
    for _ in range(_ROUNDS):
        lacking = {
            node.target
            for node in program.graph.nodes
            if node.op == "call_function" and str(node.target) not in HANDLERS and not _is_constant(node)
        }
        table = _table(lacking)
        if not table:
            return program
        with quiet():  # torch warns of its own deprecated tree specs here
            program = program.run_decompositions(table)
    return program


def _is_constant(node: torch.fx.Node) -> bool:
    return not node.all_input_nodes


def _table(lacking: set[Any]) -> dict[Any, Any]:
    from torch._decomp import decomposition_table

    default = torch.export.default_decompositions()
    found = {}
    for operator in lacking:
        if operator in default:
            found[operator] = default[operator]
        elif operator in decomposition_table:
            found[operator] = decomposition_table[operator]
    return found


def _contents(program: ExportedProgram) -> dict[str, Any]:
    """Return parameters, buffers and constants by the names of their placeholders."""
    signature = program.graph_signature
    found: dict[str, Any] = {}
    for kind in (
        signature.inputs_to_parameters,
        signature.inputs_to_buffers,
        signature.inputs_to_lifted_tensor_constants,
    ):
        for placeholder, target in kind.items():
            found[placeholder] = program.state_dict.get(target, program.constants.get(target))
    if any(value is None for value in found.values()):
        raise TargetError("the exported program lacks the content of a constant")
    return found


def _names(graph: Graph, program: ExportedProgram) -> dict[str, str]:
    """Return the layers' own names for the program's nodes: export keeps layers in their order, not their names."""
    if not isinstance(graph.module, torch.fx.GraphModule):
        return {}
    before = weighted_layers(graph.module)
    kinds = weighted_operators()
    after = [node for node in program.graph.nodes if node.target in kinds]
    if [node.target for node in before] != [node.target for node in after]:
        return {}
    return {node.name: layer_name(layer) for node, layer in zip(after, before, strict=True)}
