"""With 16-bit activations the graph is the same one in finer steps: nearer the float model, never another range."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from fer_deploy.data.faces import Faces
from fer_deploy.measure.subject import artifact_logits
from fer_deploy.targets.onnx.apart import run_here, scale_of, steps_of
from fer_deploy.targets.onnx.sixteen import sixteen_bit
from fixtures.lowered import Lower


def test_ranges_stay_and_weights_do(lowered: Lower) -> None:
    model = onnx.load(lowered("onnx", "w8a8-ptq")[0].file)
    finer = sixteen_bit(model)
    onnx.checker.check_model(finer)
    assert [step.name for step in steps_of(finer)] == [step.name for step in steps_of(model)]
    for step in steps_of(model):
        (scale, zero), (fine, middle) = (scale_of(one, step.output) for one in (model, finer))
        assert fine * 65535 == pytest.approx(scale * 255)
        assert middle * fine == pytest.approx(zero * scale)
    weights = [item for item in model.graph.initializer if len(item.dims) > 1]
    kept = {item.name: item for item in finer.graph.initializer}
    assert weights
    assert all(kept[item.name] == item for item in weights)


def test_it_is_nearer_the_float_model(lowered: Lower, test_faces: Faces) -> None:
    artifact, pixels = lowered("onnx", "w8a8-ptq")[0], test_faces.pixels[:40]
    reference = artifact_logits(lowered("onnx", "float")[0], pixels)
    given = run_here(sixteen_bit(onnx.load(artifact.file)), {"pixels": pixels.astype(np.float32)})
    finer = given["logits"].astype(np.float32)
    assert np.abs(finer - reference).mean() < np.abs(artifact_logits(artifact, pixels) - reference).mean()
