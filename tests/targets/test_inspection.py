"""``fer-deploy inspect`` on real artifacts: the targets must tell the same story of one model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.errors import ArtifactError
from fer_deploy.frozen import Unknown
from fer_deploy.model import Model
from fer_deploy.quantize.costs import graph_costs
from fer_deploy.targets.inspection import Inspection, Share
from fer_deploy.targets.registry import TARGET_NAMES, get_target
from fixtures.lowered import GraphOf, Lower


def folded_parameters(model: Model) -> int:
    """Weights and biases after BatchNorm went into the layer before it, and the normalisation's own."""
    network, channels = model.network, model.contract.input.channels
    weights = sum(p.numel() for p in network.parameters() if p.ndim > 1)
    biases = sum(len(p) for p in network.parameters() if p.ndim > 1)
    return weights + biases + 2 * channels


@pytest.mark.parametrize("recipe", ["float", "w8a8-ptq"])
@pytest.mark.parametrize("target", TARGET_NAMES)
def test_figures_are_the_model_s(
    lowered: Lower, graph_of: GraphOf, trained_model: Model, target: str, recipe: str
) -> None:
    artifact, delegation = lowered(target, recipe)
    found = get_target(target).inspect(artifact.file)
    assert found.macs == graph_costs(graph_of("float")).macs
    assert found.parameters == folded_parameters(trained_model)
    assert found.size_bytes == artifact.info.size_bytes
    assert found.inputs[0].shape == artifact.info.input.shape
    assert found.outputs[0].shape == artifact.info.output.shape
    int8 = sum(
        stored.values for dtype, stored in found.weights.items() if dtype in ("int8", "uint8", "qcint8")
    )
    wide = sum(p.numel() for p in trained_model.network.parameters() if p.ndim > 1)
    assert (int8 >= wide) == (recipe != "float")
    if isinstance(found.delegated, Share):
        assert found.delegated.delegated == found.delegated.total == sum(found.operations.values()) or (
            target == "onnx" and found.delegated.delegated == delegation.delegated
        )
    else:
        assert target == "coreml"
    assert isinstance(found.activation_bytes, Unknown) == (target != "executorch")


def test_executorch_plans_memory_for_input_and_output_at_least(lowered: Lower) -> None:
    artifact, _ = lowered("executorch", "float")
    planned = get_target("executorch").inspect(artifact.file).activation_bytes
    assert isinstance(planned, int)
    assert planned >= 4 * 24 * 24


@pytest.mark.parametrize("target", TARGET_NAMES)
def test_command_reads_folders_and_bare_files(lowered: Lower, target: str) -> None:
    artifact, _ = lowered(target, "float")
    from_folder = CliRunner().invoke(main, ["inspect", str(artifact.folder), "--json"])
    from_file = CliRunner().invoke(main, ["inspect", str(artifact.file), "--json"])
    assert from_folder.exit_code == from_file.exit_code == 0, from_folder.output
    assert from_folder.stdout == from_file.stdout
    found = Inspection.model_validate(json.loads(from_folder.stdout))
    table = CliRunner().invoke(main, ["inspect", str(artifact.folder)]).stdout
    for text in (f"{found.parameters:,}", f"{found.size_bytes:,} bytes", *found.operations):
        assert text in table


@pytest.mark.parametrize("name", ["model.pte", "model.onnx", "model.mlpackage", "model.tflite"])
def test_damaged_files_give_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"nonsense" * 20)
    result = CliRunner().invoke(main, ["inspect", str(path)])
    assert result.exit_code == 2
    assert str(tmp_path) in result.stderr
    assert "Traceback" not in result.stderr
    missing = CliRunner().invoke(main, ["inspect", str(tmp_path / f"no-{name}")])
    assert (missing.exit_code, "does not exist" in missing.stderr) == (2, True)


def test_folder_without_an_artifact(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["inspect", str(tmp_path)]).exit_code == ArtifactError.exit_code
