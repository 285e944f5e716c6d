"""Calibration that a model carries: ranges and rounding that images gave, for those who have not these images.

The file lies beside a zoo folder's weights, is made by ``fer-deploy calibrate``, and holds for one set of weights, one
contract and one choice of options. Artifacts made with it are the same bytes as those made with the images.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from fer_deploy.errors import QuantizationError
from fer_deploy.frozen import Unknown, first_problem
from fer_deploy.model import Model
from fer_deploy.quantize.layers import layer_name, weighted_layers
from fer_deploy.quantize.preflight import observers
from fer_deploy.quantize.recipe import (
    CARRIED_FILE,
    CarriedCalibration,
    CarriedRange,
    CarriedRounding,
    PtqOptions,
)
from fer_deploy.quantize.rounding import integer_weights

if TYPE_CHECKING:
    import torch


def carried_by(model: Model, options: PtqOptions, images: int, seed: int) -> CarriedCalibration | Unknown:
    """Return the calibration that a model carries, or why there is none that holds.

    Args:
        model: as it was loaded.
        options: how it will be quantized.
        images: size of the calibration set that is asked for.
        seed: which drew it.

    Raises:
        QuantizationError: the file cannot be read.
    """
    file = Path(model.source) / CARRIED_FILE
    if not file.is_file():
        return Unknown(reason=f"{model.source} carries no calibration")
    try:
        kept = CarriedCalibration.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise QuantizationError(
            f"{file} cannot be read: {problem}; make it again with `fer-deploy calibrate`"
        ) from None
    asked = {
        "weights": (kept.weights_sha256, model.weights_sha256),
        "contract": (kept.contract_sha256, model.contract.sha256),
        "options": (kept.options, options),
        "number of images": (len(kept.rows), images),
        "seed": (kept.seed, seed),
    }
    others = [name for name, (its, ours) in asked.items() if its != ours]
    if others:
        return Unknown(reason=f"{file} is for other {', '.join(others)}")
    return kept


def ranges_of(observed: torch.fx.GraphModule) -> tuple[CarriedRange, ...]:
    """Return what the activation observers of a prepared graph found."""
    found = []
    for node, observer in _activations(observed):
        scale, zero_point = observer.calculate_qparams()
        found.append(
            CarriedRange(
                layer=layer_name(node),
                low=float(observer.min_val),
                high=float(observer.max_val),
                scale=float(scale),
                zero_point=int(zero_point),
            )
        )
    return tuple(found)


def take_ranges(observed: torch.fx.GraphModule, ranges: tuple[CarriedRange, ...]) -> None:
    """Let the activation observers of a prepared graph answer what they found when the ranges were made.

    Raises:
        QuantizationError: the ranges are of another graph.
    """
    import torch

    places = list(_activations(observed))
    if [layer_name(node) for node, _ in places] != [one.layer for one in ranges]:
        raise QuantizationError(
            "the calibration that the model carries is of another graph: its layers have other names or another order; "
            "make it again with `fer-deploy calibrate`"
        )
    for (_, observer), one in zip(places, ranges, strict=True):
        answer = torch.tensor([one.scale]), torch.tensor([one.zero_point], dtype=torch.int64)
        observer.min_val, observer.max_val = torch.tensor(one.low), torch.tensor(one.high)
        observer.calculate_qparams = lambda answer=answer: answer


def rounding_of(moved: Mapping[str, torch.Tensor]) -> tuple[CarriedRounding, ...]:
    """Return what :func:`fer_deploy.quantize.rounding.round_by_gptq` moved, as it is kept."""
    return tuple(
        CarriedRounding(
            layer=layer, steps=base64.b64encode(zlib.compress(steps.numpy().tobytes(), 9)).decode()
        )
        for layer, steps in moved.items()
    )


def take_rounding(converted: torch.fx.GraphModule, rounding: tuple[CarriedRounding, ...]) -> None:
    """Move the nearest integers of a converted graph to where the images moved them, in place.

    Raises:
        QuantizationError: the rounding is of another graph.
    """
    import torch

    kept = {one.layer: one.steps for one in rounding}
    places = integer_weights(converted)
    for node in weighted_layers(converted):
        steps = kept.pop(layer_name(node), None)
        if steps is None:
            continue
        try:
            values = np.frombuffer(zlib.decompress(base64.b64decode(steps)), np.int8)
            integers, _ = places[node.name]
            integers += torch.from_numpy(values.reshape(integers.shape).copy())
        except (KeyError, ValueError, zlib.error):
            kept[layer_name(node)] = steps
            break
    if kept:
        raise QuantizationError(
            f"the rounding of {next(iter(kept))} that the model carries is of another graph; make it again with "
            "`fer-deploy calibrate`"
        )


def _activations(observed: torch.fx.GraphModule) -> list[tuple[torch.fx.Node, Any]]:
    """Return the observers of activations whose range images set."""
    return [(node, observer) for node, observer in observers(observed) if hasattr(observer, "seen")]
