"""Quantizing one layer at a time, and the fewest layers in float for a budget."""

from __future__ import annotations

import numpy as np
import pytest

from fer_deploy.data.faces import Faces
from fer_deploy.errors import BudgetExceededError
from fer_deploy.quantize.canonical import Canonical
from fer_deploy.quantize.layers import layer_name, weighted_layers
from fer_deploy.quantize.prepare import Prepared, prepare
from fer_deploy.quantize.ptq import convert, float_graph
from fer_deploy.quantize.recipe import W8A8_PTQ, CalibrationSet, PtqOptions
from fer_deploy.quantize.rounding import rounded_weights
from fer_deploy.quantize.sensitivity import LayerSensitivity, mixed_precision, sensitivity
from fer_deploy.quantize.switchboard import Switchboard
from fixtures.outside import Outside

pytestmark = pytest.mark.usefixtures("exported_once")


@pytest.fixture(scope="module")
def prepared(
    separable_model: Outside, separable_calibration: CalibrationSet, separable_form: Canonical
) -> Prepared:
    return prepare(separable_model.model, separable_calibration, PtqOptions(), separable_form)


@pytest.fixture(scope="module")
def faces(separable_model: Outside) -> Faces:
    return separable_model.test.subset(np.arange(100))


@pytest.fixture(scope="module")
def each_layer(
    separable_model: Outside, separable_calibration: CalibrationSet, faces: Faces
) -> list[LayerSensitivity]:
    return sensitivity(separable_model.model, separable_calibration, faces)


def test_no_layer_on_is_the_float_model(prepared: Prepared, separable_model: Outside) -> None:
    pixels = separable_model.test.pixels
    logits = Switchboard(prepared).logits(pixels, frozenset())
    np.testing.assert_allclose(logits, float_graph(separable_model.model).logits(pixels, "float"), atol=1e-4)


def test_all_layers_on_is_nearly_the_quantized_graph(
    prepared: Prepared, separable_calibration: CalibrationSet, separable_model: Outside
) -> None:
    pixels = separable_model.test.pixels
    graph = convert(prepared, W8A8_PTQ, separable_calibration)
    board = Switchboard(prepared, rounded_weights(graph.module))
    assert graph.scales is not None
    distance = np.abs(board.logits(pixels, frozenset(board.layers)) - graph.logits(pixels, "int8"))
    assert distance.max() <= 2 * graph.scales.activations[-1].scale


def test_every_layer_is_found_and_costs_something(
    prepared: Prepared, each_layer: list[LayerSensitivity]
) -> None:
    found = each_layer
    assert [one.layer for one in found] == [
        layer_name(node) for node in weighted_layers(prepared.float_graph)
    ]
    assert found[0].layer == "normalise"
    assert found[0].sqnr_db == np.inf, "whole pixels and their normalised values are exact"
    for one in found[1:]:
        assert 20 < one.sqnr_db < 70, one
        assert one.logits_sqnr_db < np.inf, one


def test_search_leaves_the_most_sensitive_layers_in_float(
    separable_model: Outside,
    separable_calibration: CalibrationSet,
    faces: Faces,
    each_layer: list[LayerSensitivity],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The drop of a graph is replaced by its number of int8 layers: the search must find the least count."""
    from fer_deploy.quantize.graph import Graph

    plain = float_graph(separable_model.model).logits(faces.pixels, "float")

    def spoiled(graph: Graph, *_: object) -> np.ndarray:
        assert graph.options is not None
        if len(graph.options.float_layers) < 3:
            return -plain
        return plain

    monkeypatch.setattr(Graph, "logits", spoiled)
    mixed = mixed_precision(separable_model.model, separable_calibration, faces, 0.0)
    assert len(mixed.float_layers) == 3
    assert mixed.graph.options is not None
    assert mixed.graph.options.float_layers == mixed.float_layers
    ranked = sorted(each_layer, key=lambda one: one.logits_sqnr_db)
    assert mixed.float_layers == tuple(one.layer for one in ranked[:3])


def test_budget_that_holds_needs_no_float_layer(
    separable_model: Outside, separable_calibration: CalibrationSet, faces: Faces
) -> None:
    mixed = mixed_precision(separable_model.model, separable_calibration, faces, 0.02)
    assert mixed.float_layers == ()
    assert mixed.tried == {0: mixed.drop}


def test_budget_that_cannot_hold_ends_with_the_best_found(
    separable_model: Outside, separable_calibration: CalibrationSet, faces: Faces
) -> None:
    with pytest.raises(BudgetExceededError, match=r"the best found leaves \d+ of 13 layers") as caught:
        mixed_precision(separable_model.model, separable_calibration, faces, -1.0)
    assert caught.value.exit_code == 3
