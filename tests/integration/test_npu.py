"""Qualcomm's library itself: what it takes, what it rounds otherwise, and that a refusal names the node.

pip install '.[npu]' && pytest -m npu
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from onnx import helper, numpy_helper

from fer_deploy.cli import main
from fer_deploy.data.faces import Faces
from fer_deploy.devices.transports.htp import CHIPS, HtpTransport
from fer_deploy.measure.npu import npu_model, npu_parity
from fer_deploy.measure.subject import artifact_logits
from fer_deploy.targets.onnx.passes import one_grid_a_constant
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


def _two_scales_of_one_constant() -> onnx.ModelProto:
    """Two depthwise convolutions whose integer weights are one constant, on grids of their own."""
    arrays = {
        "weight": np.full((8, 1, 1, 1), 255, dtype=np.uint8),
        "weight_zero": np.full(8, 128, dtype=np.uint8),
        "large": np.full(8, 0.01, dtype=np.float32),
        "small": np.full(8, 0.0025, dtype=np.float32),
        "step": np.array(0.02, dtype=np.float32),
        "zero": np.array(128, dtype=np.uint8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", "step", "zero"], ["x0"]),
    ]
    for index, scale in enumerate(("large", "small")):
        nodes += [
            helper.make_node("DequantizeLinear", ["weight", scale, "weight_zero"], [f"w{index}"], axis=0),
            helper.make_node("Conv", [f"x{index}", f"w{index}"], [f"c{index}"], group=8),
            helper.make_node("QuantizeLinear", [f"c{index}", "step", "zero"], [f"c{index}_q"]),
            helper.make_node("DequantizeLinear", [f"c{index}_q", "step", "zero"], [f"x{index + 1}"]),
        ]
    shape = [1, 8, 4, 4]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("x2", onnx.TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def test_a_constant_of_two_grids_is_computed_wrongly_and_our_files_have_none() -> None:
    """The library keeps one grid a name. Once it does right, the pass that copies such constants may go."""
    x = np.random.default_rng(0).uniform(-1, 1, (1, 8, 4, 4)).astype(np.float32)
    model, transport = _two_scales_of_one_constant(), HtpTransport(CHIPS[3])
    right = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]

    def steps_apart() -> float:
        answer = transport.run(model.SerializeToString(), {"x": x})
        assert answer.refused is None
        return float(np.abs(answer.outputs["x2"] - right).max() / 0.02)

    assert steps_apart() > 5
    assert one_grid_a_constant(model.graph) == 1
    assert steps_apart() <= 1.01
