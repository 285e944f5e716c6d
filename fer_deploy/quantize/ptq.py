"""Post-training quantization with PT2E: export, observe, convert, once for all targets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from fer_deploy.errors import LossError, ProofError, QuantizationError
from fer_deploy.model import Model, deployable
from fer_deploy.progress import say
from fer_deploy.quantize.bias import channel_means, correct_biases, snap_biases
from fer_deploy.quantize.canonical import Canonical, canonical, copy_graph
from fer_deploy.quantize.carried import take_rounding
from fer_deploy.quantize.graph import Graph, run_module, scales_of
from fer_deploy.quantize.layers import layer_name, weighted_layers
from fer_deploy.quantize.parting import costliest_layers, said
from fer_deploy.quantize.prepare import (
    Prepared,
    calibration_evidence,
    known_warnings,
    prepare,
    statistics_pixels,
)
from fer_deploy.quantize.proof import (
    EXACT_DB,
    FLOOR_DB,
    LOWERING_MARGIN_DB,
    Logits,
    Proof,
    holds,
    proof,
    sqnr_of,
    under_floor,
    within_rounding,
)
from fer_deploy.quantize.recipe import FLOAT, W8A8_PTQ, CalibrationSet, PtqOptions, Recipe
from fer_deploy.quantize.rounding import round_by_gptq
from fer_deploy.quantize.scales import widen_activation_scales, widen_weight_scales

if TYPE_CHECKING:
    import torch

#: Tried one after the other where int8 as asked loses the network, biases corrected in all: whether poolings get ranges
#: of their own, and how many of the costliest layers are left in float.
_RESCUES = ((False, 0), (True, 0), (True, 1), (True, 3), (True, 6))
_QUANTIZATION = "int8 quantization"
#: Rounding of a bias moves single activations by one step.
_STEPS_DB = 30.0
#: Name of the activation observer where no options are given, as reports print it.
OBSERVER = PtqOptions().observer


def float_graph(model: Model, recipe: Recipe = FLOAT) -> Graph:
    """Return the model as it is, run eagerly: what everything made of it is compared with.

    ``recipe`` is ``float``, or ``fp16`` or ``w8``, which targets round to.
    """
    return Graph(deployable(model), model.contract, recipe, fixed_batch=model.fixed_batch)


def lowerable_graph(model: Model, form: Canonical, recipe: Recipe = FLOAT) -> Graph:
    """Return the canonical graph under a recipe that targets round to: ``float``, ``fp16`` or ``w8``."""
    return Graph(
        form.module,
        model.contract,
        recipe,
        fixed_batch=form.fixed_batch,
        evidence=form.evidence,
        proofs=form.proofs,
    )


def quantize_ptq(
    model: Model,
    calibration: CalibrationSet,
    options: PtqOptions | None = None,
    form: Canonical | None = None,
) -> Graph:
    """Return the model's quantized graph with ranges observed on ``calibration``.

    Raises:
        QuantizationError: the model cannot be exported, or a pre-flight check failed; the message names
            the layer.
        ModelError, ProofError: see :func:`prepare`.
    """
    chosen = options or PtqOptions()
    form = form or canonical(model, calibration_evidence(model, calibration))
    try:
        return require_network(convert(prepare(model, calibration, chosen, form), W8A8_PTQ, calibration))
    except LossError as error:
        rescued = _rescued(model, calibration, chosen, form, error)
        if rescued is None:
            raise
        return rescued


def _rescued(
    model: Model, calibration: CalibrationSet, options: PtqOptions, form: Canonical, failure: LossError
) -> Graph | None:
    """Return a graph that keeps the network where the options as asked do not, or None; its note says what was changed.

    Biases and poolings come first, which cost nothing at run time; then the layers that cost most are left in float.
    """
    weighted = {layer_name(node) for node in weighted_layers(form.module)} - {"normalise"}
    worst = [name for name in failure.costs if name in weighted]
    for pools, count in _RESCUES:
        if count > len(worst):
            break
        left = tuple(dict.fromkeys((*options.float_layers, *worst[:count])))
        changed = options.model_copy(
            update={"bias_correction": True, "own_pool_ranges": pools, "float_layers": left}
        )
        try:
            graph = require_network(
                convert(prepare(model, calibration, changed, form), W8A8_PTQ, calibration)
            )
        except LossError:
            continue
        how = ["biases were corrected"]
        how += ["poolings got ranges of their own"] if pools else []
        how += [f"{', '.join(worst[:count])} were left in float"] if count else []
        note = f"int8 as asked was no longer the network ({failure.figures}), so {' and '.join(how)}"
        say(f"warning: {note}")
        return dataclasses.replace(graph, note=note)
    return None


def convert(prepared: Prepared, recipe: Recipe, calibration: CalibrationSet) -> Graph:
    """Return the quantized graph of a prepared model, which is left as it was.

    Raises:
        QuantizationError: no operation was quantized, or a scale is not a positive number.
    """
    model, options = prepared.model, prepared.options
    converted = nearest_integers(prepared)
    if recipe.method == "ptq":  # trained weights lie on the grid already
        round_weights(prepared, converted, calibration)
    if options.bias_correction:
        pixels = statistics_pixels(prepared.fixed_batch, calibration)
        pixels = pixels[: prepared.fixed_batch]
        correct_biases(converted, channel_means(prepared.float_graph, pixels), pixels)
    before = run_module(converted, prepared.evidence.pixels, prepared.fixed_batch)
    snap_biases(converted)
    _set_evaluation_flags(converted)
    scales = scales_of(converted)
    if not scales.activations:
        raise QuantizationError(f"model {model.source} has no operation that the int8 quantizer knows")
    for activation in scales.activations:
        if not 0 < activation.scale < float("inf"):
            raise QuantizationError(
                f"activation {activation.tensor} has scale {activation.scale} after calibration; "
                "look for non-finite constants, e.g. a -inf pad, before it"
            )
    proofs, costs = _quantization_proofs(prepared, converted, before)
    return Graph(
        converted,
        model.contract,
        recipe,
        scales,
        prepared.fixed_batch,
        options,
        evidence=prepared.evidence,
        proofs=(*prepared.proofs, *proofs),
        costs=tuple(costs.items()),
    )


def nearest_integers(prepared: Prepared) -> torch.fx.GraphModule:
    """Return the converted graph of a prepared model, each weight at its nearest integer."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

    observed = copy_graph(prepared.observed)
    widen_weight_scales(observed)
    with known_warnings():
        converted: torch.fx.GraphModule = convert_pt2e(observed)
    widen_activation_scales(converted)
    return converted


def round_weights(
    prepared: Prepared, converted: torch.fx.GraphModule, calibration: CalibrationSet
) -> dict[str, torch.Tensor]:
    """Move the nearest integers of a converted graph as the options say, in place.

    Returns what :func:`fer_deploy.quantize.rounding.round_by_gptq` does; nothing where integers stay, or where the
    calibration set carries where they went.

    Raises:
        QuantizationError: what it carries is of another graph.
    """
    if prepared.options.rounding == "nearest":
        return {}
    if calibration.carried is not None:
        take_rounding(converted, calibration.carried.rounding)
        return {}
    pixels = statistics_pixels(prepared.fixed_batch, calibration)
    return round_by_gptq(converted, prepared.float_graph, pixels, prepared.fixed_batch)


def _quantization_proofs(
    prepared: Prepared, converted: torch.fx.GraphModule, unsnapped: Logits
) -> tuple[tuple[Proof, Proof], dict[str, float]]:
    """Return what conversion and the rounding of biases cost, and by how much each layer raises the noise.

    Raises:
        ProofError: the rounding of biases costs more than rounding does.
    """
    pixels, fixed = prepared.evidence.pixels, prepared.fixed_batch
    plain = run_module(prepared.float_graph, pixels, fixed)
    after = run_module(converted, pixels, fixed)
    costs = costliest_layers(prepared.float_graph, converted, pixels[: fixed or None])
    quantized = proof(_QUANTIZATION, "lossy", plain, unsnapped)
    least = min(sqnr_of(plain, unsnapped), EXACT_DB) - LOWERING_MARGIN_DB
    lost = not within_rounding(unsnapped, after, _STEPS_DB) and sqnr_of(plain, after) < least
    if lost and holds(quantized, FLOOR_DB["w8a8"]):  # else there is nothing left that rounding could take
        raise ProofError(
            f"rounding biases to int32 takes a graph at {sqnr_of(plain, unsnapped):.1f} dB to "
            f"{sqnr_of(plain, after):.1f} dB, most at {', '.join(said(costs))}; this is a fault of fer-deploy: please "
            "report the network"
        )
    return (quantized, proof("rounding biases to int32", "lossy", plain, after)), costs


def require_network(graph: Graph) -> Graph:
    """Return a quantized graph that is still the network.

    Raises:
        LossError: int8 leaves less of it than :data:`FLOOR_DB`.
    """
    found = next(one for one in graph.proofs if one.step == _QUANTIZATION)
    if not holds(found, FLOOR_DB["w8a8"]):
        costs = dict(graph.costs)
        remedy = "leave the costliest layers in float ([quantize.ptq] float_layers), or train with w8a8-qat"
        figures = f"{found.sqnr_db} dB and {found.agreement or 0.0:.0%} agreement on {found.images} faces"
        raise LossError(under_floor(found, FLOOR_DB["w8a8"], said(costs), remedy), costs, figures)
    return graph


def _set_evaluation_flags(module: Any) -> None:
    """Mark a converted graph as not training: exported modules refuse ``eval()``, exporters read the flag."""
    for child in module.modules():
        child.training = False
