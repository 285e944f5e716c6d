"""The LiteRT target as a whole: the shared graph's numbers in the file, its bytes, its refusals, its layers."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.data.faces import Faces
from fer_deploy.errors import ArtifactError, TargetError
from fer_deploy.pipeline.config import ExportSection
from fer_deploy.quantize.graph import scales_of
from fer_deploy.quantize.layers import torch_layers
from fer_deploy.targets.artifact import tool_versions, write_artifact
from fer_deploy.targets.litert import LiteRTTarget, runtime
from fer_deploy.targets.registry import default_target_names, target_names
from fixtures.lowered import GraphOf, Lower

HERE = runtime.obstacle() is None


@pytest.fixture(autouse=True)
def _runtime(request: pytest.FixtureRequest) -> None:
    if not HERE and "absent" not in request.node.name:
        pytest.skip(f"LITERT NOT TESTED: {runtime.obstacle()}")


def model_of(file: Path) -> Any:
    from fer_deploy.targets.litert.inspect import open_model

    return open_model(file)


def test_the_scales_are_those_of_every_other_target(lowered: Lower, graph_of: GraphOf) -> None:
    """Read back from the file: the grid of every activation, and the scale of every channel, bit by bit."""
    artifact, _ = lowered("litert", "w8a8-ptq")
    scales = artifact.info.scales
    assert scales is not None
    assert scales == lowered("onnx", "w8a8-ptq")[0].info.scales
    graph = model_of(artifact.file).subgraphs[0]
    written = set()
    channels = b""
    for operator in graph.operators:
        for index in operator.outputs:
            found = graph.tensors[index].quantization
            if found is not None and found.scale is not None:
                written.add((np.float32(found.scale[0]), int(found.zeroPoint[0])))
        for index in operator.inputs[1:2]:
            tensor = graph.tensors[index]
            if tensor.name.decode().endswith(".weight"):
                assert tensor.quantization.quantizedDimension == (0 if tensor.shape[0] != 1 else 3)
                assert not np.any(tensor.quantization.zeroPoint)
                channels += tensor.quantization.scale.astype(np.float32).tobytes()
    wanted = {(np.float32(one.scale), one.zero_point) for one in scales.activations}
    assert written == wanted, "no grid of its own, and none of the graph's is missing"
    module = graph_of("w8a8-ptq").module
    assert isinstance(module, torch.fx.GraphModule)
    shared = [
        module.get_buffer(str(node.args[1].target)) if hasattr(node.args[1], "target") else None
        for node in module.graph.nodes
        if "dequantize_per_channel" in str(node.target)
    ]
    assert channels == b"".join(one.numpy().astype(np.float32).tobytes() for one in shared if one is not None)
    assert scales_of(module).weights_sha256 == scales.weights_sha256


def test_biases_are_on_the_grid_of_products(lowered: Lower) -> None:
    graph = model_of(lowered("litert", "w8a8-ptq")[0].file).subgraphs[0]
    layers = [one for one in graph.operators if len(one.inputs) == 3]
    assert len(layers) > 5
    for operator in layers:
        source, weight, bias = (graph.tensors[index].quantization for index in operator.inputs)
        np.testing.assert_array_equal(
            bias.scale, np.float32(source.scale[0]) * weight.scale.astype(np.float32)
        )


def test_only_float32_at_the_border(lowered: Lower) -> None:
    for recipe in ("float", "w8a8-ptq"):
        found = LiteRTTarget().inspect(lowered("litert", recipe)[0].file)
        (source,), (goal,) = found.inputs, found.outputs
        assert (source.name, source.dtype, goal.name, goal.dtype) == (
            "pixels",
            "float32",
            "logits",
            "float32",
        )


@pytest.mark.parametrize("recipe", ["float", "w8a8-ptq"])
def test_equal_graphs_give_equal_bytes(graph_of: GraphOf, tmp_path: Path, recipe: str) -> None:
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / LiteRTTarget().lower(graph_of(recipe), tmp_path / name).file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_constants_stand_where_runtimes_may_map_them(lowered: Lower) -> None:
    from ai_edge_litert import schema_py_generated as schema

    content = lowered("litert", "float")[0].file.read_bytes()
    model = schema.Model.GetRootAs(content)
    starts = []
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            starts.append(buffer._tab.Vector(buffer._tab.Offset(4)))
    assert len(starts) > 10
    assert all(start % 16 == 0 for start in starts)


def test_layers_are_the_graph_s(lowered: Lower, graph_of: GraphOf, test_faces: Faces) -> None:
    artifact, _ = lowered("litert", "w8a8-ptq")
    pixels = test_faces.pixels[:4]
    mine = LiteRTTarget().layer_outputs(artifact.file, pixels)
    assert mine.emulation is None
    shared = torch_layers(graph_of("w8a8-ptq").module, pixels)
    assert [one.name for one in mine.outputs] == [one.name for one in shared]
    for own, other in zip(mine.outputs, shared, strict=True):
        assert own.values.shape == other.values.shape
        assert (np.abs(own.values - other.values) < 1e-6).mean() > 0.9, own.name


def test_it_is_made_only_where_it_is_named() -> None:
    assert "litert" in target_names()
    assert "litert" not in default_target_names()
    assert "litert" not in ExportSection().targets
    assert ExportSection(targets=("litert",)).targets == ("litert",)


def test_an_operator_that_there_is_not_is_refused_by_its_layer(graph_of: GraphOf, tmp_path: Path) -> None:
    class Spectrum(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            answer: torch.Tensor = self.network(
                torch.fft.rfft(pixels).abs()[..., :24].repeat(1, 1, 1, 2)[..., :24]
            )
            return answer

    graph = graph_of("float")
    strange = dataclasses.replace(graph, module=Spectrum(graph.module).eval())
    with pytest.raises(TargetError, match=r"^LiteRT cannot hold the float graph: .*aten\."):
        write_artifact(LiteRTTarget(), strange, tmp_path / "a", "edges", "0" * 64)
    assert not list(tmp_path.iterdir())


def test_absent_it_says_what_adds_it(
    monkeypatch: pytest.MonkeyPatch, graph_of: GraphOf, tmp_path: Path
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "fer_deploy.targets.litert.runtime.importlib.util.find_spec",
        lambda name, *rest: None if name == "ai_edge_litert" else real(name, *rest),
    )
    words = r"pip install 'fer-deploy\[litert\]'"
    target = LiteRTTarget()
    assert "fer-deploy[litert]" in str(target.host_obstacle())
    assert target.timing_obstacle() == target.host_obstacle()
    for call in (
        lambda: target.lower(graph_of("float"), tmp_path),
        lambda: target.open(tmp_path / "model.tflite", 1),
        lambda: target.inspect(tmp_path / "model.tflite"),
    ):
        (tmp_path / "model.tflite").write_bytes(b"    TFL3")
        with pytest.raises(TargetError, match=words):
            call()
    monkeypatch.setattr("fer_deploy.targets.artifact._is_there", lambda kind: kind is not LiteRTTarget)
    assert "ai-edge-litert" not in tool_versions()


def test_damaged_files(tmp_path: Path, lowered: Lower) -> None:
    good = lowered("litert", "float")[0].file.read_bytes()
    file = tmp_path / "model.tflite"
    for content, words in (
        (b"nonsense" * 20, "not marked TFL3"),
        (b"", "not marked TFL3"),
        (good[:8] + b"\xff" * 200, "is not a"),
    ):
        file.write_bytes(content)
        with pytest.raises(ArtifactError, match=words):
            LiteRTTarget().inspect(file)
    with pytest.raises(ArtifactError, match="cannot be read"):
        LiteRTTarget().open(tmp_path / "none.tflite", 1)


def test_a_profile_of_operators_is_not_measured_and_that_is_said(
    lowered: Lower,
) -> None:
    folder = lowered("litert", "float")[0].folder
    refused = CliRunner().invoke(main, ["layers", str(folder)])
    assert refused.exit_code == 2
    assert "there is no runner for litert" in refused.stderr
    timed = CliRunner().invoke(main, ["inspect", str(folder), "--json"])
    assert json.loads(timed.stdout)["delegated"]["backend"] == "XNNPACK"
