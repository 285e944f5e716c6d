"""Post-training quantization with PT2E: export, observe, convert, once for all targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_deploy.errors import QuantizationError
from fer_deploy.model import Model, deployable
from fer_deploy.quantize.bias import channel_means, correct_biases, snap_biases
from fer_deploy.quantize.calibration import CalibrationSet
from fer_deploy.quantize.graph import Graph, scales_of
from fer_deploy.quantize.options import PtqOptions
from fer_deploy.quantize.prepare import Prepared, copy_graph, known_warnings, prepare, statistics_pixels
from fer_deploy.quantize.recipe import FLOAT, W8A8_PTQ, Recipe

if TYPE_CHECKING:
    import torch

#: Name of the activation observer where no options are given, as reports print it.
OBSERVER = PtqOptions().observer


def float_graph(model: Model, recipe: Recipe = FLOAT) -> Graph:
    """Return the model's float graph; ``recipe`` is ``float``, or ``fp16`` or ``w8``, which targets round to."""
    return Graph(deployable(model), model.contract, recipe, fixed_batch=model.fixed_batch)


def quantize_ptq(model: Model, calibration: CalibrationSet, options: PtqOptions | None = None) -> Graph:
    """Return the model's quantized graph with ranges observed on ``calibration``.

    Raises:
        QuantizationError: the model cannot be exported, or a pre-flight check failed; the message names
            the layer.
    """
    prepared = prepare(model, calibration, options or PtqOptions())
    return convert(prepared, W8A8_PTQ, calibration)


def convert(prepared: Prepared, recipe: Recipe, calibration: CalibrationSet) -> Graph:
    """Return the quantized graph of a prepared model, which is left as it was.

    Raises:
        QuantizationError: no operation was quantized, or a scale is not a positive number.
    """
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

    model, options = prepared.model, prepared.options
    with known_warnings():
        converted: torch.fx.GraphModule = convert_pt2e(copy_graph(prepared.observed))
    if options.bias_correction:
        pixels = statistics_pixels(model, calibration)
        correct_biases(converted, channel_means(prepared.float_graph, pixels), pixels)
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
    return Graph(converted, model.contract, recipe, scales, model.fixed_batch, options)


def _set_evaluation_flags(module: Any) -> None:
    """Mark a converted graph as not training: exported modules refuse ``eval()``, exporters read the flag."""
    for child in module.modules():
        child.training = False
