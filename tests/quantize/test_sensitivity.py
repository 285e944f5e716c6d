"""Quantizing one layer at a time, and the fewest layers in float for a budget."""

from __future__ import annotations

import numpy as np
import pytest

from fer_deploy.errors import BudgetExceededError
from fer_deploy.quantize.layers import layer_name, weighted_layers
from fer_deploy.quantize.prepare import Prepared, prepare
from fer_deploy.quantize.ptq import convert, float_graph
from fer_deploy.quantize.recipe import W8A8_PTQ, CalibrationSet, PtqOptions, choose_calibration
from fer_deploy.quantize.rounding import rounded_weights
from fer_deploy.quantize.sensitivity import layer_sensitivities, mixed_precision, sensitivity
from fer_deploy.quantize.switchboard import Switchboard
from fixtures.outside import Outside


@pytest.fixture(scope="module")
def calibration(separable_model: Outside) -> CalibrationSet:
    return choose_calibration(separable_model.training, 64)


@pytest.fixture(scope="module")
def prepared(separable_model: Outside, calibration: CalibrationSet) -> Prepared:
    return prepare(separable_model.model, calibration, PtqOptions())


def test_no_layer_on_is_the_float_model(prepared: Prepared, separable_model: Outside) -> None:
    pixels = separable_model.test.pixels
    logits = Switchboard(prepared).logits(pixels, frozenset())
    np.testing.assert_allclose(logits, float_graph(separable_model.model).logits(pixels, "float"), atol=1e-4)


def test_all_layers_on_is_nearly_the_quantized_graph(
    prepared: Prepared, calibration: CalibrationSet, separable_model: Outside
) -> None:
    pixels = separable_model.test.pixels
    graph = convert(prepared, W8A8_PTQ, calibration)
    board = Switchboard(prepared, rounded_weights(graph.module))
    assert graph.scales is not None
    distance = np.abs(board.logits(pixels, frozenset(board.layers)) - graph.logits(pixels, "int8"))
    assert distance.max() <= 2 * graph.scales.activations[-1].scale


def test_every_layer_is_found_and_costs_something(
    prepared: Prepared, calibration: CalibrationSet, separable_model: Outside
) -> None:
    found = layer_sensitivities(prepared, separable_model.test, convert(prepared, W8A8_PTQ, calibration))
    assert [one.layer for one in found] == [
        layer_name(node) for node in weighted_layers(prepared.float_graph)
    ]
    assert found[0].layer == "normalise"
    assert found[0].sqnr_db == np.inf, "whole pixels and their normalised values are exact"
    for one in found[1:]:
        assert 20 < one.sqnr_db < 70, one
        assert one.logits_sqnr_db < np.inf, one


def test_search_leaves_the_most_sensitive_layers_in_float(
    separable_model: Outside, calibration: CalibrationSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drop of a graph is replaced by its number of int8 layers: the search must find the least count."""
    from fer_deploy.quantize.graph import Graph

    test = separable_model.test
    plain = float_graph(separable_model.model).logits(test.pixels, "float")

    def spoiled(graph: Graph, *_: object) -> np.ndarray:
        assert graph.options is not None
        if len(graph.options.float_layers) < 3:
            return -plain
        return plain

    monkeypatch.setattr(Graph, "logits", spoiled)
    mixed = mixed_precision(separable_model.model, calibration, test, 0.0)
    assert len(mixed.float_layers) == 3
    assert mixed.graph.options is not None
    assert mixed.graph.options.float_layers == mixed.float_layers
    monkeypatch.undo()
    ranked = sorted(
        sensitivity(separable_model.model, calibration, test),
        key=lambda one: one.logits_sqnr_db,
    )
    assert mixed.float_layers == tuple(one.layer for one in ranked[:3])


def test_budget_that_holds_needs_no_float_layer(
    separable_model: Outside, calibration: CalibrationSet
) -> None:
    mixed = mixed_precision(separable_model.model, calibration, separable_model.test, 0.02)
    assert mixed.float_layers == ()
    assert mixed.tried == {0: mixed.drop}


def test_budget_that_cannot_hold_ends_with_the_best_found(
    separable_model: Outside, calibration: CalibrationSet
) -> None:
    with pytest.raises(BudgetExceededError, match=r"the best found leaves \d+ of 13 layers") as caught:
        mixed_precision(separable_model.model, calibration, separable_model.test, -1.0)
    assert caught.value.exit_code == 3
