"""The canonical graph: the network exported once, in the one form that is quantized and lowered, proven at every step.

the user's module -> exported graph -> rewrites, each exact -> the canonical graph
                                                              |-> float, fp16, w8: lowered as it is
                                                              |-> int8: observed, converted, lowered
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import ProofError, QuantizationError, first_line
from fer_deploy.model import Model, deployable
from fer_deploy.quantize.layers import name_layers
from fer_deploy.quantize.parting import first_parting, with_jumps_held
from fer_deploy.quantize.precision import check_bfloat16
from fer_deploy.quantize.preflight import check_deterministic, check_finite, check_float_graph
from fer_deploy.quantize.proof import Evidence, Logits, Proof, prove_exact
from fer_deploy.quantize.rewrite.arithmetic import (
    attention_in_four_axes,
    drop_no_ops,
    plain_activations,
    plain_arithmetic,
    prelu_by_parts,
)
from fer_deploy.quantize.rewrite.batchnorm import fold_batch_norm
from fer_deploy.quantize.rewrite.constants import fold_constants, unshare_weights
from fer_deploy.quantize.rewrite.padding import assigned_slices_as_joins, crops_as_slices, explicit_padding
from fer_deploy.quantize.rewrite.pooling import explicit_pooling, maximum_to_pool, mean_to_pool
from fer_deploy.quantize.torch_tables import remember

if TYPE_CHECKING:
    import torch

_MAX_BATCH = 4096

#: Operators that return their input itself where there is nothing to do.
_MAY_HAND_ON = ("aten.dropout", "aten.feature_dropout", "aten.alpha_dropout", "aten.to.", "aten.type_as")

#: An exported graph, and the only batch size that it takes, or None.
Traced = tuple["torch.fx.GraphModule", int | None]
Rewrite = Callable[["torch.fx.GraphModule"], int]
#: In this order: what a later one looks for, an earlier one may have hidden behind a copy or a parametrization.
REWRITES: tuple[tuple[str, Rewrite], ...] = (
    ("removing dropout and copies", drop_no_ops),
    ("computing constants", fold_constants),
    ("writing padding in numbers", explicit_padding),
    ("writing crops as slices", crops_as_slices),
    ("writing assigned slices as joins", assigned_slices_as_joins),
    ("writing poolings in full", explicit_pooling),
    ("copying shared weights", unshare_weights),
    ("folding BatchNorm", fold_batch_norm),
    ("writing means as pools", mean_to_pool),
    ("writing maxima as pools", maximum_to_pool),
    ("writing activations plainly", plain_activations),
    ("giving attention four axes", attention_in_four_axes),
    ("writing arithmetic plainly", plain_arithmetic),
    ("writing PReLU in parts", prelu_by_parts),
)


@dataclass(frozen=True)
class Canonical:
    """A model's canonical graph.

    Attributes:
        module: maps float32 pixels 0..255 (N, C, H, W) to logits (N, K).
        fixed_batch: the only batch size that it accepts, or None.
        evidence: what it was proven on.
        proofs: of the export and of each rewrite that changed something.
    """

    module: torch.fx.GraphModule
    fixed_batch: int | None
    evidence: Evidence
    proofs: tuple[Proof, ...]


def evidence_of(model: Model, pixels: NDArray[np.uint8], source: str, real: bool) -> Evidence:
    """Return the float network's answers to some images, run eagerly, as they come from the user's own module."""
    import torch

    module = deployable(model)
    size = model.fixed_batch or len(pixels)
    # Repeated where there are fewer images than the batch takes, cut where they do not fill the last one.
    usable = np.resize(pixels, (max(size, len(pixels) // size * size), *pixels.shape[1:]))

    def answers(each: int) -> Logits:
        parts = [usable[start : start + each].astype(np.float32) for start in range(0, len(usable), each)]
        with torch.inference_mode():
            return np.concatenate([module(torch.from_numpy(part)).float().numpy() for part in parts])

    try:
        logits = answers(size)
    except Exception:  # code that takes one image only; any other failure shows again
        logits = answers(1)
    return Evidence(usable, logits, source, real)


def canonical(model: Model, evidence: Evidence, trace: Callable[[Model], Traced] | None = None) -> Canonical:
    """Return the model's graph, exported and rewritten, each step proven on ``evidence``.

    ``trace`` exports it; None: :func:`exported_graph`.

    Raises:
        ModelError: the model is random, or its answer to an image depends on the others of the batch.
        QuantizationError: it cannot be exported, or a check of :mod:`preflight` failed.
        ProofError: a step changed the network.
    """
    remember()
    check_bfloat16(model, deployable(model))
    graph, fixed = (trace or exported_graph)(model)
    check_float_graph(graph)
    check_finite(graph, evidence.pixels[: fixed or None])
    check_deterministic(model, deployable(model), evidence.pixels, fixed)
    before = _answers(graph, evidence, fixed)
    proofs = [
        prove_exact(
            "torch.export",
            evidence.logits,
            before,
            remedy="look for code that depends on values, on the batch size or on state outside the module's tensors",
        )
    ]
    spare = copy_graph(graph)
    for step, rewrite in REWRITES:
        after = _rewritten(step, rewrite, graph, spare, before, evidence, fixed, proofs)
        if after is not None:
            graph, before, spare = spare, after, copy_graph(spare)
    return Canonical(graph, fixed, evidence, tuple(proofs))


def _rewritten(
    step: str,
    rewrite: Rewrite,
    graph: torch.fx.GraphModule,
    changed: torch.fx.GraphModule,
    before: Logits,
    evidence: Evidence,
    fixed: int | None,
    proofs: list[Proof],
) -> Logits | None:
    """Rewrite ``changed``, a copy of ``graph``, and return its answers once they are proven; None: nothing to do."""
    try:
        if rewrite(changed) == 0:
            return None
        after = _answers(changed, evidence, fixed)
    except Exception as error:
        raise ProofError(
            f"{step} failed: {first_line(error)}; this is a fault of fer-deploy: please report the network"
        ) from error
    pixels = evidence.pixels[: fixed or None]
    try:
        proven = prove_exact(step, before, after, lambda: first_parting(graph, changed, pixels))
    except ProofError:
        held = with_jumps_held(graph, changed, pixels)
        if held is None:
            raise
        proven = prove_exact(step, held.before, held.after).model_copy(update={"note": held.note})
    proofs.append(proven)
    return after


def _answers(graph: torch.fx.GraphModule, evidence: Evidence, fixed: int | None) -> Logits:
    from fer_deploy.quantize.graph import run_module

    return run_module(graph, evidence.pixels, fixed)


def exported_graph(model: Model) -> Traced:
    """Return a copy of the deployable model as an exported graph, its layers named, and its only batch size or None.

    Raises:
        QuantizationError: it cannot be exported.
    """
    import torch

    module = deployable(model)
    for tensor in (*module.parameters(), *module.buffers()):
        # ExecuTorch's pass for its own layout fails on weights that are channels-last already (executorch 1.5.1).
        tensor.data = tensor.data.contiguous()
    # Two images and a symbolic batch, so that the graph also evaluates in large batches; code that fixes its batch
    # is exported for one image, which is what artifacts run.
    dynamic = ({0: torch.export.Dim("batch", min=1, max=_MAX_BATCH)},)
    attempts = [(model.fixed_batch, None)] if model.fixed_batch else [(None, dynamic), (1, None)]
    failure: Exception | None = None
    for fixed, shapes in attempts:
        example = torch.zeros((fixed or 2, *model.contract.input.shape[1:]))
        try:
            with (
                torch.no_grad()
            ):  # else a no_grad in the forward pass becomes a graph of its own inside this one
                program = _functional(torch.export.export(module, (example,), dynamic_shapes=shapes))
        except Exception as error:  # torch.export raises many kinds for code it cannot trace
            failure = failure or error
            continue
        exported: torch.fx.GraphModule = program.module(check_guards=False)
        name_layers(exported)
        return exported, fixed
    assert failure is not None
    raise QuantizationError(
        f"model {model.source} cannot be exported: {first_line(failure)}; torch.export traces code whose control "
        "flow and shapes do not depend on an image's values: rewrite what does"
    ) from failure


def _functional(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Return a program without operations that change their input, and with recurrent layers and RMSNorm written out.

    coremltools 9.0 and ExecuTorch 1.5.1 have neither.

    A clamp in place of a value that nothing else reads is no danger, and cheaper to rename.
    """
    import torch

    aten = torch.ops.aten
    # Where torch has RMSNorm in one kernel, that is what its decomposition leaves first.
    whole = {
        aten.lstm.input, aten.gru.input, aten.rnn_tanh.input, aten.rnn_relu.input,
        aten.lstm_cell.default, aten.gru_cell.default, aten.rnn_tanh_cell.default, aten.rnn_relu_cell.default,
        aten.rms_norm.default, aten._fused_rms_norm.default,
    }  # fmt: skip
    mutable = written_out = False
    for node in program.graph.nodes:
        if node.op != "call_function":
            continue
        written_out |= node.target in whole
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable:
            continue
        plain = _out_of_place(node)
        if plain is None:
            mutable = True
        else:
            node.target = plain
    if not (mutable or written_out):
        return program
    table = {}
    if written_out:
        known = torch.export.default_decompositions()
        table = {operator: known[operator] for operator in whole if operator in known}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        functional: torch.export.ExportedProgram = program.run_decompositions(table)
    for node in functional.graph.nodes:
        # What cells are written out in; coremltools 9.0 has the safe one.
        if node.target == aten.unsafe_split.Tensor:
            node.target = aten.split.Tensor
    return functional


def _out_of_place(node: torch.fx.Node) -> Any:
    """Return the operator that does not change its input, where that input is a fresh value read by it alone."""
    import torch

    source: Any = node.args[0]
    if not isinstance(source, torch.fx.Node) or source.op != "call_function" or len(source.users) != 1:
        return None
    # Dropout that is off, and a cast to the type that is there, hand their input on.
    if getattr(source.target, "is_view", True) or str(source.target).startswith(_MAY_HAND_ON):
        return None
    packet, _, overload = str(node.target).removeprefix("aten.").partition(".")
    plain = getattr(torch.ops.aten, packet.removesuffix("_"), None)
    return getattr(plain, overload, None) if packet.endswith("_") else None


def copy_graph(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Return a copy of a graph that shares no parameter with it."""
    with warnings.catch_warnings():
        # torch 2.13 deprecates the LeafSpec that its own exported graphs still carry.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        return copy.deepcopy(module)
