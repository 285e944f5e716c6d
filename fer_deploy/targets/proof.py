"""Proof of a lowering: the artifact, run by its own runtime, against the graph that it was lowered from."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ArtifactError, ProofError, TargetError, root_cause
from fer_deploy.progress import say
from fer_deploy.quantize.canonical import copy_graph
from fer_deploy.quantize.graph import Graph, batches, run_module
from fer_deploy.quantize.layers import clamp_operators, layer_name, value_name
from fer_deploy.quantize.proof import (
    EXACT_DB,
    FLOOR_AGREEMENT,
    FLOOR_DB,
    LOWERING_MARGIN_DB,
    PROOF_IMAGES,
    RUNTIME_DB,
    Evidence,
    Logits,
    Proof,
    agreement_of,
    prove_exact,
    prove_lossy,
    sqnr_of,
)
from fer_deploy.targets.base import Lowered, Session, Target
from fer_deploy.targets.golden import golden_inputs

if TYPE_CHECKING:
    import torch

#: Images on which the layer at fault is looked for: once it is known that there is one, few show it.
_SEARCH_IMAGES = 4
#: Agreement that engines' rounding may cost a graph that has little.
_STUDY_MARGIN = 0.1
_FLOAT_REMEDY = "write the layer in other operations, or choose another target"
_INT8_REMEDY = "leave the layer in float ([quantize.ptq] float_layers), or choose another target"


def drawn_evidence(graph: Graph) -> Evidence:
    """Return the golden inputs as evidence, for a graph that comes without faces; a weaker proof, and said so."""
    drawn = np.stack(list(golden_inputs(graph.contract.input).values()))
    size = graph.fixed_batch or 1
    pixels = np.resize(drawn, (-(-len(drawn) // size) * size, *drawn.shape[1:]))
    # One at a time, as the artifact has them: that the graph is the same in a batch was not proven.
    logits = run_module(graph.module, pixels, graph.fixed_batch or 1)
    return Evidence(pixels, logits, "drawn images: no faces were at hand", real=False)


def prove_lowering(target: Target, graph: Graph, file: Path) -> Proof:
    """Return the proof that a model file, just written, is the graph.

    A float artifact may round, one in fp16 or with int8 weights may add noise down to a floor, and an int8 artifact may
    be as far from the float network as the shared graph is, but for the rounding of half-way cases.

    Raises:
        ProofError: it is not; the first layer at which they part is named.
        TargetError: its own runtime does not load it.
    """
    step = f"lowering {target.name}-{graph.recipe.name}"
    evidence = graph.evidence or drawn_evidence(graph)
    pixels = evidence.pixels[:PROOF_IMAGES]
    obstacle = target.host_obstacle()
    try:
        session = None if obstacle else target.open(file, threads=1)
    except TargetError as error:  # an emulation that lacks an operation
        session, obstacle = None, str(error).replace(str(file), file.name)
    except ArtifactError as error:
        raise TargetError(
            _unloadable(target, graph, pixels, str(error).replace(str(file), file.name))
        ) from error
    if session is None:
        return Proof(step=step, contract="not proven", images=0, sqnr_db=None, agreement=None, note=obstacle)
    try:
        got = answers(session, pixels)
    except TargetError as error:
        return Proof(
            step=step, contract="not proven", images=0, sqnr_db=None, agreement=None, note=str(error)
        )
    except Exception as error:  # runtimes raise many kinds for an operation that fails on its input
        raise TargetError(_unloadable(target, graph, pixels, root_cause(error))) from error
    shared = evidence.logits[: len(pixels)]
    if graph.evidence is not None:  # else they are the graph's own
        shared = run_module(graph.module, evidence.pixels, graph.fixed_batch)[: len(pixels)]
    if graph.recipe.precision == "float":
        proven = prove_exact(
            step, shared, got, lambda: _parting(target, graph, pixels)[0], RUNTIME_DB, _FLOAT_REMEDY
        )
    elif not graph.recipe.quantized:
        proven = prove_lossy(
            step, shared, got, FLOOR_DB[graph.recipe.precision], tuple, "choose another recipe"
        )
    else:
        proven = _prove_integers(step, target, graph, evidence.logits[: len(pixels)], shared, got, pixels)
    return proven if evidence.real else proven.model_copy(update={"note": evidence.source})


def cautions(target: Target, graph: Graph, file: Path) -> tuple[str, ...]:
    """Return what an app gets that opens an int8 file without care, where that is not the network; measured here."""
    opened = target.open_plainly(file) if graph.recipe.quantized else None
    if opened is None:
        return ()
    session, when = opened
    evidence = graph.evidence or drawn_evidence(graph)
    wanted, pixels = evidence.logits[:PROOF_IMAGES], evidence.pixels[:PROOF_IMAGES]
    careful, plain = answers(target.open(file, threads=1), pixels), answers(session, pixels)
    if np.array_equal(careful, plain):
        return ()
    return (
        f"{when} its answers to {len(pixels)} faces are at {sqnr_of(wanted, plain):.1f} dB and "
        f"{agreement_of(wanted, plain):.0%} agreement with the float network, not at {sqnr_of(wanted, careful):.1f} dB "
        f"and {agreement_of(wanted, careful):.0%}",
    )


def _prove_integers(
    step: str,
    target: Target,
    graph: Graph,
    wanted: Logits,
    shared: Logits,
    got: Logits,
    pixels: NDArray[np.uint8],
) -> Proof:
    floor = FLOOR_DB["w8a8"]
    if graph.evidence is not None:  # else the float network's answers are not known here
        floor = min(sqnr_of(wanted, shared), EXACT_DB) - LOWERING_MARGIN_DB
    # A study lowers graphs that have lost more than may be shipped: they are held to what they have.
    kept = agreement_of(wanted, shared)
    agreement = FLOOR_AGREEMENT if kept >= FLOOR_AGREEMENT else kept - _STUDY_MARGIN

    try:
        return prove_lossy(step, wanted, got, floor, tuple, "", agreement)
    except ProofError as error:
        found, remedy = _parting(target, graph, pixels)
        place = f"; the first to part from the shared graph is {found}" if found else ""
        raise ProofError(f"{str(error).removesuffix('; ')}{place}; {remedy}") from None


def lower(target: Target, graph: Graph, folder: Path) -> Lowered:
    """Return what a target lowers; a refusal names the first layer that it does not take, and the way out.

    Raises:
        TargetError: the target's tools refuse the graph.
        ProofError: one of its own steps changed it.
    """
    target.require_recipe(graph.recipe.name)
    try:
        return target.lower(graph, folder)
    except TargetError as error:
        pixels = (graph.evidence or drawn_evidence(graph)).pixels
        found, remedy = _parting(target, graph, pixels, refused=True)
        if found is None:
            raise
        raise TargetError(f"{error}; the first that is not taken is {found}; {remedy}") from error


def _is_clamped(node: torch.fx.Node) -> bool:
    """Return whether a clamp alone reads a value: the two are one layer."""
    users = list(node.users)
    return len(users) == 1 and users[0].target in clamp_operators()


def _is_quantized(node: torch.fx.Node) -> bool:
    """Return whether int8 is what a layer gives, itself or behind its clamp."""
    users = list(node.users)
    if len(users) == 1 and users[0].target in clamp_operators():
        users = list(users[0].users)
    return any("quantize_per_tensor" in str(user.target) for user in users)


def answers(session: Session, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a session's answers to uint8 images (N, C, H, W), one at a time, as an app has them."""
    return np.concatenate([session.run(image) for image in batches(pixels, 1, None)])


def _unloadable(target: Target, graph: Graph, pixels: NDArray[np.uint8], reason: str) -> str:
    found, remedy = _parting(target, graph, pixels, refused=True)
    place = f"; the first with which it does not is {found}" if found else ""
    return (
        f"{target.runtime} does not run the {graph.recipe.name} artifact that was lowered for it: {reason}{place}; "
        f"{remedy}"
    )


def _parting(
    target: Target, graph: Graph, pixels: NDArray[np.uint8], refused: bool = False
) -> tuple[str | None, str]:
    """Return the first layer up to which the lowered graph differs from the graph, or does not run, and the way out.

    Where the whole was ``refused``, only a part that is refused too is at fault.

    Found by lowering the graph up to a layer in the middle, and halving: a fault stays in everything behind it.
    """
    import torch

    module = graph.module
    if not isinstance(module, torch.fx.GraphModule):
        return None, _FLOAT_REMEDY
    layers = [
        node
        for node in module.graph.nodes
        if node.op == "call_function"
        and value_name(node) is not None
        and _is_map(node)
        and not _is_clamped(node)
    ]
    say(f"looking for the layer at which {target.name}-{graph.recipe.name} parts from the graph")
    low, high = 0, len(layers)
    while low < high:
        middle = (low + high) // 2
        if _agrees(target, graph, module, layers[middle].name, pixels[:_SEARCH_IMAGES], refused):
            low = middle + 1
        else:
            high = middle
    if low == len(layers):
        return None, _FLOAT_REMEDY
    remedy = _INT8_REMEDY if _is_quantized(layers[low]) else _FLOAT_REMEDY
    return f"layer {layer_name(layers[low])}", remedy


def _is_map(node: torch.fx.Node) -> bool:
    value: Any = node.meta.get("val")
    return hasattr(value, "is_floating_point") and value.is_floating_point() and value.ndim >= 2


def _agrees(
    target: Target,
    graph: Graph,
    module: torch.fx.GraphModule,
    name: str,
    pixels: NDArray[np.uint8],
    refused: bool,
) -> bool:
    part = _up_to(module, name)
    cut = dataclasses.replace(graph, module=part)
    with tempfile.TemporaryDirectory() as folder:
        try:
            lowered = target.lower(cut, Path(folder))
            got = answers(target.open(Path(folder) / lowered.file, threads=1), pixels)
        except Exception:  # refused, not loaded or not run: it is not the graph
            return False
    if refused:
        return True
    if graph.fixed_batch:
        pixels = np.resize(pixels, (graph.fixed_batch, *pixels.shape[1:]))
        got = got[: len(pixels)]
    wanted = run_module(part, pixels, graph.fixed_batch)[: len(got)]
    flat = wanted.reshape(len(wanted), -1), got.reshape(len(got), -1)
    if flat[0].shape != flat[1].shape:
        return False
    least = {"float": RUNTIME_DB}.get(graph.recipe.precision, FLOOR_DB["fp16"])
    try:
        prove_exact("", *flat, least_db=least)
    except ProofError:
        return False
    return True


def _up_to(module: torch.fx.GraphModule, name: str) -> torch.fx.GraphModule:
    """Return a copy of a graph that ends with the value of one node, dequantized where it is quantized."""
    part = copy_graph(module)
    end = next(node for node in part.graph.nodes if node.name == name)
    while len(end.users) == 1 and "quantize_per_tensor" in str(next(iter(end.users)).target):
        end = next(iter(end.users))
    if "dequantize" not in str(end.target) and any("dequantize" in str(user.target) for user in end.users):
        end = next(iter(end.users))
    output = next(node for node in part.graph.nodes if node.op == "output")
    output.args = ((end,),)
    part.graph.eliminate_dead_code()
    part.recompile()
    return part
