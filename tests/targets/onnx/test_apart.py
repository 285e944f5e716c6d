"""A quantized graph taken apart gives on this machine what the whole gives, step by step."""

from __future__ import annotations

import numpy as np
import onnx

from fer_deploy.data.faces import Faces
from fer_deploy.targets.onnx.apart import (
    apart,
    layers_by_node,
    run_here,
    scale_of,
    steps_of,
    with_every_output,
)
from fixtures.lowered import Lower


def test_steps_are_named_by_their_layers(lowered: Lower) -> None:
    artifact = lowered("onnx", "w8a8-ptq")[0]
    model = onnx.load(artifact.file)
    steps = steps_of(model)
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    assert steps[0].operators == ("QuantizeLinear",)
    weighted = [step for step in steps if {"Conv", "Gemm"} & set(step.operators)]
    assert {step.name for step in weighted} == set(layers_by_node(model).values())
    scale, zero = scale_of(model, steps[-1].output)
    assert scale > 0
    assert 0 <= zero <= 255


def test_a_float_graph_has_no_steps(lowered: Lower) -> None:
    assert steps_of(onnx.load(lowered("onnx", "float")[0].file)) == ()


def test_fed_with_its_own_values_every_step_gives_its_own(lowered: Lower, test_faces: Faces) -> None:
    artifact = lowered("onnx", "w8a8-ptq")[0]
    model = onnx.load(artifact.file)
    before = model.SerializeToString(deterministic=True)
    source = {"pixels": test_faces.pixels[:3].astype(np.float32)}
    whole = run_here(with_every_output(model), source)
    split, feeds = apart(model, whole)
    assert len(feeds) == len(steps_of(model)) - 1, "all but the logits"
    again = run_here(split, source | feeds)
    assert set(again) == {step.output for step in steps_of(model)}
    for name, values in whole.items():
        np.testing.assert_array_equal(again[name], values)
    name, values = next(iter(feeds.items()))
    changed = run_here(split, source | feeds | {name: np.zeros_like(values)})
    differing = [tensor for tensor in whole if not np.array_equal(changed[tensor], whole[tensor])]
    assert 1 <= len(differing) <= 2, "what is fed reaches the next step alone"
    assert model.SerializeToString(deterministic=True) == before
