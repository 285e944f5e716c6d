"""From a model to a graph with observers that have seen the calibration images."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer_deploy.errors import QuantizationError
from fer_deploy.model import Model, deployable
from fer_deploy.quantize.calibration import CalibrationSet
from fer_deploy.quantize.equalize import equalize
from fer_deploy.quantize.graph import batches
from fer_deploy.quantize.layers import name_layers
from fer_deploy.quantize.options import PtqOptions
from fer_deploy.quantize.preflight import check_classes, check_float_graph, check_observers
from fer_deploy.quantize.quantizer import shared_quantizer
from fer_deploy.quiet import quiet

if TYPE_CHECKING:
    import torch

_CALIBRATION_BATCH = 64
_MAX_BATCH = 4096
#: Images on which channel statistics are taken (bias correction, equalisation): all their activations of
#: one layer are in memory at once, about 190 MB for fer_s.
_STATISTICS_IMAGES = 256


@dataclass(frozen=True)
class Prepared:
    """A model on its way to int8.

    Attributes:
        model: what it was made of.
        options: how.
        float_graph: exported, BatchNorm folded, layers named, equalised if asked; no observers.
        observed: the same graph with calibrated observers.
    """

    model: Model
    options: PtqOptions
    float_graph: torch.fx.GraphModule
    observed: torch.fx.GraphModule


def prepare(model: Model, calibration: CalibrationSet, options: PtqOptions) -> Prepared:
    """Return the model with observers calibrated, every pre-flight check passed.

    Raises:
        QuantizationError: the model cannot be exported, or a check of :mod:`preflight` failed.
    """
    import torch

    check_classes(calibration.faces)
    folded = folded_graph(model)
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    if options.equalization:
        equalize(folded, statistics_pixels(model, calibration))
    with known_warnings():
        observed = prepare_pt2e(copy_graph(folded), shared_quantizer(model.contract.input, options))
        with torch.no_grad():
            size = model.fixed_batch or _CALIBRATION_BATCH
            for batch in batches(calibration.faces.pixels, size, "calibrating"):
                observed(torch.from_numpy(batch))
    check_observers(observed)
    return Prepared(model, options, folded, observed)


def exported_graph(model: Model) -> torch.fx.GraphModule:
    """Return a copy of the deployable model as an exported graph, its layers named.

    Raises:
        QuantizationError: it cannot be exported.
    """
    import torch

    shape = model.contract.input.shape
    # Two images and a symbolic batch, so that the graph also evaluates in large batches.
    example = torch.zeros((model.fixed_batch or 2, *shape[1:]))
    dynamic = None if model.fixed_batch else ({0: torch.export.Dim("batch", min=1, max=_MAX_BATCH)},)
    try:
        # A copy: the graph's parameters are changed in place, and the model's own must not be.
        module = copy.deepcopy(deployable(model))
        program = torch.export.export(module, (example,), dynamic_shapes=dynamic)
    except Exception as error:  # torch.export raises many kinds for code it cannot trace
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise QuantizationError(f"model {model.source} cannot be exported: {lines[0]}") from None
    exported: torch.fx.GraphModule = program.module()
    name_layers(exported)
    return exported


def folded_graph(model: Model) -> torch.fx.GraphModule:
    """Return the model's exported graph, checked, with BatchNorm folded into the convolutions.

    Raises:
        QuantizationError: it cannot be exported, or BatchNorm is in training mode, or a constant is infinite.
    """
    with quiet():
        from torchao.quantization.pt2e.utils import _fuse_conv_bn_

    exported = exported_graph(model)
    check_float_graph(exported)
    with known_warnings():
        _fuse_conv_bn_(exported)
    return exported


def statistics_pixels(model: Model, calibration: CalibrationSet) -> torch.Tensor:
    """Return the calibration images that channel statistics are taken on, float32 (N, C, H, W)."""
    import torch

    count = model.fixed_batch or _STATISTICS_IMAGES
    return torch.from_numpy(calibration.faces.pixels[:count].astype("float32"))


@contextmanager
def known_warnings() -> Iterator[None]:
    """Silence torchao's talk of its own future defaults while the block runs."""
    with warnings.catch_warnings():
        # On every observer: reduce_range will go; int8 here is explicit.
        warnings.filterwarnings("ignore", message="Please use quant_min and quant_max")
        yield


def copy_graph(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Return a copy of a graph that shares no parameter with it."""
    with warnings.catch_warnings():
        # torch 2.13 deprecates the LeafSpec that its own exported graphs still carry.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        return copy.deepcopy(module)
