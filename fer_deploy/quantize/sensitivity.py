"""What quantizing each layer alone costs, and the fewest layers to leave in float so that a budget holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_deploy.data.faces import Faces
from fer_deploy.errors import BudgetExceededError
from fer_deploy.model import Model
from fer_deploy.progress import say, track
from fer_deploy.quantize.canonical import canonical
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.prepare import Prepared, calibration_evidence, prepare
from fer_deploy.quantize.ptq import convert
from fer_deploy.quantize.recipe import W8A8_PTQ, CalibrationSet, PtqOptions
from fer_deploy.quantize.rounding import rounded_weights
from fer_deploy.quantize.switchboard import Switchboard, decibel


@dataclass(frozen=True)
class LayerSensitivity:
    """One layer quantized, everything else in float.

    Attributes:
        layer: its name.
        sqnr_db: of the layer's own output; infinite when quantizing changed nothing.
        logits_sqnr_db: of the network's logits.
        drop: float accuracy minus accuracy, as a fraction.
        agreement: share of images with the float network's top-1 class.
    """

    layer: str
    sqnr_db: float
    logits_sqnr_db: float
    drop: float
    agreement: float


@dataclass(frozen=True)
class MixedPrecision:
    """The quantized graph that holds a budget, and what it took.

    Attributes:
        graph: its options name the layers in float.
        float_layers: these layers, the most sensitive first.
        drop: float accuracy minus its accuracy on the faces it was searched on, as a fraction.
        tried: number of layers in float to drop, for every graph that was made.
    """

    graph: Graph
    float_layers: tuple[str, ...]
    drop: float
    tried: dict[int, float]


def sensitivity(
    model: Model, calibration: CalibrationSet, faces: Faces, options: PtqOptions | None = None
) -> list[LayerSensitivity]:
    """Return every quantizable layer with a weight, in graph order, and what quantizing it alone does.

    Args:
        model: the float model.
        calibration: sets the ranges.
        faces: labelled images to measure on.
        options: how ranges are found.

    Raises:
        QuantizationError: see :func:`fer_deploy.quantize.prepare.prepare`.
    """
    prepared = prepare(model, calibration, options or PtqOptions())
    return layer_sensitivities(prepared, faces, convert(prepared, W8A8_PTQ, calibration))


def layer_sensitivities(prepared: Prepared, faces: Faces, graph: Graph) -> list[LayerSensitivity]:
    """Return the sensitivity of each layer of a prepared model, with the weights of ``graph``, converted from it."""
    switch = Switchboard(prepared, rounded_weights(graph.module))
    reference = switch.logits(faces.pixels, frozenset())
    answers = reference.argmax(axis=1)
    right = float((answers == faces.targets).mean())
    ratios = switch.output_sqnr(faces.pixels)
    found = []
    for layer in track(switch.layers, "quantizing each layer alone", len(switch.layers)):
        logits = switch.logits(faces.pixels, frozenset({layer}))
        changed = logits.argmax(axis=1)
        found.append(
            LayerSensitivity(
                layer=layer,
                sqnr_db=ratios[layer],
                logits_sqnr_db=decibel(
                    float(np.square(reference).sum()), float(np.square(reference - logits).sum())
                ),
                drop=right - float((changed == faces.targets).mean()),
                agreement=float((changed == answers).mean()),
            )
        )
    return found


def mixed_precision(
    model: Model,
    calibration: CalibrationSet,
    faces: Faces,
    max_drop: float,
    options: PtqOptions | None = None,
) -> MixedPrecision:
    """Return the quantized graph with the fewest layers in float whose accuracy drop is at most ``max_drop``.

    Layers go to float in the order of their sensitivity (the noise each alone puts on the logits); the
    number of them is found by bisection, since a graph has to be made and run for each. More layers in
    float are taken to be no worse, which holds up to the noise of the faces.

    Args:
        model: the float model.
        calibration: sets the ranges.
        faces: labelled images that the drop is measured on; not the test split.
        max_drop: fraction, e.g. 0.005 for half a point.
        options: how ranges are found.

    Raises:
        BudgetExceededError: even with every layer in float the drop is larger; says the best that was found.
        QuantizationError: see :func:`fer_deploy.quantize.prepare.prepare`.
    """
    chosen = options or PtqOptions()
    form = canonical(model, calibration_evidence(model, calibration))
    prepared = prepare(model, calibration, chosen, form)
    whole = convert(prepared, W8A8_PTQ, calibration)
    ranked = sorted(layer_sensitivities(prepared, faces, whole), key=lambda one: one.logits_sqnr_db)
    order = tuple(one.layer for one in ranked)
    reference = Switchboard(prepared).logits(faces.pixels, frozenset()).argmax(axis=1)
    right = float((reference == faces.targets).mean())
    graphs: dict[int, tuple[Graph, float]] = {}

    def drop_with(count: int) -> float:
        if count not in graphs:
            mixed = chosen.model_copy(update={"float_layers": (*chosen.float_layers, *order[:count])})
            graph = (
                convert(prepare(model, calibration, mixed, form), W8A8_PTQ, calibration) if count else whole
            )
            answers = graph.logits(faces.pixels, f"{count} layers in float").argmax(axis=1)
            graphs[count] = graph, right - float((answers == faces.targets).mean())
            say(f"{count} of {len(order)} layers in float: accuracy drop {100 * graphs[count][1]:.2f} points")
        return graphs[count][1]

    low, high = 0, len(order) - 1  # at least one layer is quantized, or it is no quantized graph
    if drop_with(0) <= max_drop:
        high = 0
    elif drop_with(high) > max_drop:
        best = min(graphs, key=lambda count: (graphs[count][1], count))
        raise BudgetExceededError(
            f"no choice of layers in float holds an accuracy drop of {100 * max_drop:.2f} points on "
            f"{faces.name}: the best found leaves {best} of {len(order)} layers in float and drops "
            f"{100 * graphs[best][1]:.2f} points; allow more, calibrate on more images or use w8a8-qat"
        )
    while high - low > 1:
        middle = (low + high) // 2
        if drop_with(middle) <= max_drop:
            high = middle
        else:
            low = middle
    graph, drop = graphs[high]
    return MixedPrecision(graph, order[:high], drop, {count: one[1] for count, one in sorted(graphs.items())})
