from __future__ import annotations

import base64

import numpy as np
import pytest

from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.recipe import FP16
from fer_deploy.targets.base import INTEGER_STEPS
from fer_deploy.targets.coreml.target import INTEGER_STEPS as COREML_STEPS
from fer_deploy.targets.golden import (
    FLOAT_TOLERANCE,
    FP16_TOLERANCE,
    golden_inputs,
    tolerance,
    vectors,
)
from fer_deploy.targets.registry import get_target
from fixtures.lowered import GraphOf
from fixtures.synthetic import Color, input_spec


@pytest.mark.parametrize("size", [16, 24, 48, 112])
@pytest.mark.parametrize("color", ["grey", "rgb"])
def test_inputs_are_varied_and_the_same_every_time(size: int, color: Color) -> None:
    spec = input_spec(size, color)
    inputs, again = golden_inputs(spec), golden_inputs(spec)
    assert list(inputs) == list(again)
    images = list(inputs.values())
    for name, pixels in inputs.items():
        assert pixels.shape == spec.shape[1:]
        assert pixels.dtype == np.uint8
        assert np.array_equal(pixels, again[name])
        assert np.ptp(pixels) > 100, f"{name} is nearly flat"
    for first in range(len(images)):
        for second in range(first):
            assert not np.array_equal(images[first], images[second])
    assert (inputs["gradient"][0, 0, 0], inputs["gradient"][0, 0, -1]) == (0, 255)


def test_vectors_round_trip() -> None:
    inputs = golden_inputs(input_spec(16))
    logits = np.random.default_rng(0).normal(size=(len(inputs), 4)).astype(np.float32)
    for vector, (name, pixels), row in zip(vectors(inputs, logits), inputs.items(), logits, strict=True):
        assert vector.name == name
        assert base64.b64decode(vector.pixels_base64) == pixels.tobytes()
        assert np.array_equal(np.array(vector.logits, dtype=np.float32), row)


def test_every_input_needs_its_logits() -> None:
    with pytest.raises(ValueError, match="zip"):
        vectors(golden_inputs(input_spec(16)), np.zeros((2, 4), dtype=np.float32))


def test_tolerance_follows_the_precision(graph_of: GraphOf) -> None:
    floating, integer = graph_of("float"), graph_of("w8a8-ptq")
    assert integer.scales is not None
    step = integer.scales.activations[-1].scale
    onnx, executorch, coreml = (get_target(name) for name in ("onnx", "executorch", "coreml"))
    assert tolerance(floating, onnx) == FLOAT_TOLERANCE
    assert tolerance(Graph(floating.module, floating.contract, FP16), coreml) == FP16_TOLERANCE
    assert tolerance(integer, onnx) == tolerance(integer, executorch) == INTEGER_STEPS * step
    assert tolerance(integer, coreml) == COREML_STEPS * step
