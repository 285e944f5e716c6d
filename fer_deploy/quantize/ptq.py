"""Post-training quantization with PT2E: export, observe, convert, once for all targets."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from fer_deploy.errors import QuantizationError
from fer_deploy.model import Model, deployable
from fer_deploy.quantize.bias import snap_biases
from fer_deploy.quantize.calibration import CalibrationSet
from fer_deploy.quantize.graph import Graph, batches, scales_of
from fer_deploy.quantize.quantizer import shared_quantizer
from fer_deploy.quantize.recipe import FLOAT, W8A8_PTQ, Recipe
from fer_deploy.quiet import quiet

if TYPE_CHECKING:
    import torch

#: Name of the activation observer, as reports print it.
OBSERVER = "histogram"
_CALIBRATION_BATCH = 64
_MAX_BATCH = 4096


def float_graph(model: Model, recipe: Recipe = FLOAT) -> Graph:
    """Return the model's float graph; ``recipe`` is ``float``, or ``fp16`` or ``w8``, which targets round to."""
    return Graph(deployable(model), model.contract, recipe, fixed_batch=model.fixed_batch)


def quantize_ptq(model: Model, calibration: CalibrationSet) -> Graph:
    """Return the model's quantized graph with ranges observed on ``calibration``.

    Raises:
        QuantizationError: the model cannot be exported, or a range is not finite.
    """
    import torch

    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    module = deployable(model)
    shape = model.contract.input.shape
    # Two images and a symbolic batch, so that the graph also evaluates in large batches.
    example = torch.zeros((model.fixed_batch or 2, *shape[1:]))
    dynamic = None if model.fixed_batch else ({0: torch.export.Dim("batch", min=1, max=_MAX_BATCH)},)
    try:
        exported = torch.export.export(module, (example,), dynamic_shapes=dynamic).module()
    except Exception as error:  # torch.export raises many kinds for code it cannot trace
        raise QuantizationError(
            f"model {model.source} cannot be exported: {str(error).strip().splitlines()[0]}"
        ) from None
    with warnings.catch_warnings():
        # torchao warns of its own future default for reduce_range on every observer; int8 here is explicit.
        warnings.filterwarnings("ignore", message="Please use quant_min and quant_max")
        prepared = prepare_pt2e(exported, shared_quantizer(model.contract.input))
        with torch.no_grad():
            size = model.fixed_batch or _CALIBRATION_BATCH
            for batch in batches(calibration.faces.pixels, size, "calibrating"):
                prepared(torch.from_numpy(batch))
        converted: torch.fx.GraphModule = convert_pt2e(prepared)
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
    return Graph(converted, model.contract, W8A8_PTQ, scales, model.fixed_batch)


def _set_evaluation_flags(module: Any) -> None:
    """Mark a converted graph as not training: exported modules refuse ``eval()``, exporters read the flag."""
    for child in module.modules():
        child.training = False
