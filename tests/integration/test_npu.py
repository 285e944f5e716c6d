"""Qualcomm's library itself: what it takes, what it rounds otherwise, and that a refusal names the node.

pip install '.[npu]' && pytest -m npu
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper

from fer_deploy.cli import main
from fer_deploy.data.faces import Faces
from fer_deploy.devices.transports.htp import CHIPS, HtpTransport
from fer_deploy.measure.npu import npu_model, npu_parity
from fer_deploy.measure.subject import artifact_logits
from fixtures.lowered import Lower

pytestmark = pytest.mark.npu


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    obstacle = HtpTransport(CHIPS[0]).obstacle("onnx")
    if obstacle:
        pytest.skip(obstacle)
    monkeypatch.setenv("FER_DEPLOY_CACHE", str(tmp_path))


@pytest.mark.parametrize("version", [68, 75, 81])
def test_int8_runs_wholly_on_it_and_answers_alike(version: int, lowered: Lower, test_faces: Faces) -> None:
    (npu,) = [one for one in CHIPS if one.version == version]
    found = npu_parity(lowered("onnx", "w8a8-ptq")[0], HtpTransport(npu), test_faces.pixels[:12])
    assert found.not_taken == ()
    assert found.output_steps is not None
    assert found.output_steps < 8
    assert (found.same_class.value or 0) > 0.9
    for step in found.steps:
        assert step.alone < 0.1, "a step of its own moves few values, and by one step"
    if version >= 73:
        weighted = [step.lean for step in found.steps if "Conv" in step.operators]
        assert abs(float(np.mean(weighted))) < 0.01, "from v73 on rounding leans to no side"


def test_16_bit_activations_run_wholly_on_it_and_are_nearer_the_float_model(
    lowered: Lower, test_faces: Faces
) -> None:
    artifact, pixels = lowered("onnx", "w8a8-ptq")[0], test_faces.pixels[:12]
    reference = artifact_logits(lowered("onnx", "float")[0], pixels)
    transport = HtpTransport(CHIPS[3])
    finer = npu_parity(artifact, transport, pixels, activations=16)
    assert finer.not_taken == ()
    noise = [
        np.abs(transport.logits_of(artifact, npu_model(artifact, bits), pixels) - reference).mean()
        for bits in (8, 16)
    ]
    assert noise[1] < noise[0]


def test_float_runs_on_it_too(lowered: Lower, test_faces: Faces) -> None:
    found = npu_parity(lowered("onnx", "float")[0], HtpTransport(CHIPS[3]), test_faces.pixels[:4])
    assert found.steps == ()
    assert (found.difference.value or 9) < 0.1, "half precision"


def test_a_node_that_it_does_not_take_is_named(lowered: Lower) -> None:
    """The logits' quantization in 16 bits behind activations of 8 is none of its kernels."""
    model = onnx.load(lowered("onnx", "w8a8-ptq")[0].file)
    model.opset_import[0].version = 21  # the first whose QuantizeLinear gives uint16
    last = [node for node in model.graph.node if node.op_type == "QuantizeLinear"][-1]
    zero = numpy_helper.from_array(np.array(32768, np.uint16), "zero16")
    model.graph.initializer.append(zero)
    for node in model.graph.node:
        if last.output[0] in (*node.input, *node.output):
            node.input[2] = zero.name
    left = HtpTransport(CHIPS[3]).not_taken(model.SerializeToString())
    assert left
    assert any("classifier" in name for name in left)


def test_the_command_and_its_memory(lowered: Lower) -> None:
    folder = str(lowered("onnx", "w8a8-ptq")[0].folder)
    arguments = ["emulate", folder, "--device", "galaxy-s24", "--images", "3", "--json"]
    first = CliRunner().invoke(main, arguments)
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)[0]["images"] == 3
    again = CliRunner().invoke(main, arguments)
    assert again.stdout == first.stdout
    assert "to run" not in again.stderr
