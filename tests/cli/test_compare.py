"""``fer-deploy compare`` on real artifacts, with faults planted in some of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper
from PIL import Image

from fer_deploy.cli import main
from fer_deploy.data.registry import DatasetSpec
from fer_deploy.files import sha256_of
from fer_deploy.frozen import Unknown
from fer_deploy.measure.comparison import PART_BELOW_DB
from fer_deploy.pipeline.compare import compare
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quantize.recipe import choose_calibration
from fer_deploy.targets.artifact import write_artifact
from fer_deploy.targets.registry import get_target
from fixtures.outside import Outside
from fixtures.synthetic import LABELS


@pytest.fixture(scope="module")
def data(separable_model: Outside, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test faces as a folder of pictures."""
    root = tmp_path_factory.mktemp("faces")
    faces = separable_model.test
    for split in ("train", "validation", "test"):
        for index in range(48):
            folder = root / split / LABELS[int(faces.targets[index])]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(faces.pixels[index, 0]).save(folder / f"{index:03}.png")
    return root


@pytest.fixture(scope="module")
def artifacts(separable_model: Outside, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("dist")
    model = separable_model.model
    quantized = quantize_ptq(model, choose_calibration(separable_model.training, 64))

    def write(target: str, graph: Graph, name: str) -> Path:
        write_artifact(get_target(target), graph, root / name, model.name, model.weights_sha256)
        return root / name

    return {
        "onnx": write("onnx", quantized, "onnx"),
        "executorch": write("executorch", quantized, "executorch"),
        "coreml": write("coreml", quantized, "coreml"),
        "float": write("onnx", float_graph(model), "float"),
    }


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["compare", *(str(one) for one in arguments)])
    return result.exit_code, result.stdout if result.exit_code == 0 else result.output


def test_two_targets_of_one_graph(artifacts: dict[str, Path], data: Path) -> None:
    code, said = run(
        artifacts["executorch"], artifacts["onnx"], "--dataset", "folder", "--data", data, "--json"
    )
    assert code == 0, said
    found = json.loads(said)
    assert found["images"] == 48
    assert found["parity"]["agreement"]["value"] == 1.0
    assert found["parity"]["flips"] == []
    assert found["layers"] == []
    assert "XNNPACK delegate" in found["layers_reason"]


def test_what_the_interpreter_answers_is_emulated(artifacts: dict[str, Path], data: Path) -> None:
    """Layer by layer too; and the layers are those of the same graph in ONNX Runtime, to far below its noise."""
    code, said = run(artifacts["onnx"], artifacts["coreml"], "--dataset", "folder", "--data", data, "--json")
    assert code == 0, said
    found = json.loads(said)
    assert found["parity"]["agreement"]["provenance"] == "emulated"
    assert found["layers"]
    for layer in found["layers"]:
        assert layer["equal"] or layer["sqnr"]["provenance"] == "emulated"
        assert layer["equal"] or layer["sqnr"]["value"] > 2 * PART_BELOW_DB, layer


def test_int8_against_the_float_model_layer_by_layer(
    artifacts: dict[str, Path], data: Path, separable_model: Outside
) -> None:
    code, said = run(
        separable_model.reference,
        artifacts["onnx"],
        *("--contract", separable_model.contract_file, "--weights", separable_model.weights_file),
        *("--dataset", "folder", "--data", data, "--json"),
    )
    assert code == 0, said
    found = json.loads(said)
    names = [layer["name"] for layer in found["layers"]]
    assert names[:3] == ["normalise", "network.stem.0", "network.blocks.0.first.depthwise"]
    assert len(names) == 13
    assert found["layers"][0]["equal"], "whole pixels are exact in int8"
    assert found["first_difference"] == "network.stem.0"
    assert found["first_parting"] is None
    for layer in found["layers"][1:]:
        assert layer["sqnr"]["value"] > PART_BELOW_DB


def test_table_shows_layers_and_the_first_that_differs(artifacts: dict[str, Path], data: Path) -> None:
    code, said = run(artifacts["float"], artifacts["onnx"], "--dataset", "folder", "--data", data)
    assert code == 0, said
    assert "top-1 agreement" in said
    assert "first layer not equal: network.stem.0" in said
    assert "first layer below 20 dB: none" in said


def planted(source: Path, folder: Path, change: str) -> Path:
    """Return a copy of an ONNX artifact with one weight or one class order changed, its digests made right."""
    import shutil

    shutil.copytree(source, folder)
    file = folder / "model.onnx"
    model = onnx.load(file)
    if change == "layer":
        weights = [item for item in model.graph.initializer if item.data_type == onnx.TensorProto.UINT8]
        victim = [item for item in weights if len(item.dims) == 4][5]
        array = numpy_helper.to_array(victim)
        victim.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array[::-1]), victim.name))
    elif change == "classes":
        gemm = [node for node in model.graph.node if node.op_type == "Conv"][-1]
        by_name = {item.name: item for item in model.graph.initializer}
        makers = {output: node for node in model.graph.node for output in node.output}
        dequantize = makers[gemm.input[1]]
        for name in (*dequantize.input[:2], gemm.input[2]):
            array = numpy_helper.to_array(by_name[name])
            by_name[name].CopyFrom(numpy_helper.from_array(np.roll(array, 1, axis=0).copy(), name))
    onnx.save(model, file)
    for name, key in (("artifact.json", "sha256"), ("golden.json", "artifact_sha256")):
        document = json.loads((folder / name).read_text())
        document[key] = sha256_of(file)
        (folder / name).write_text(json.dumps(document))
    return folder


def test_a_spoiled_layer_is_the_first_to_part(artifacts: dict[str, Path], data: Path, tmp_path: Path) -> None:
    spoiled = planted(artifacts["onnx"], tmp_path / "spoiled", "layer")
    found = compare(str(artifacts["onnx"]), str(spoiled), DatasetSpec(kind="folder", path=data), "test")
    names = [layer.name for layer in found.layers]
    assert found.first_difference == found.first_parting
    assert found.first_parting == names[5]
    assert all(layer.equal for layer in found.layers[:5])


def test_classes_in_another_order_flip_everything(
    artifacts: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    rolled = planted(artifacts["onnx"], tmp_path / "rolled", "classes")
    found = compare(str(artifacts["onnx"]), str(rolled), DatasetSpec(kind="folder", path=data), "test")
    assert found.parity.agreement.value is not None
    assert found.parity.agreement.value < 0.1
    assert len(found.parity.flips) > 40
    assert found.first_parting == found.layers[-1].name


def test_wrong_mean_shows_in_the_first_layer(
    artifacts: dict[str, Path], data: Path, tmp_path: Path, separable_model: Outside
) -> None:
    text = separable_model.contract_file.read_text()
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace("128.0", "0.0"))
    found = compare(
        separable_model.reference,
        str(artifacts["onnx"]),
        DatasetSpec(kind="folder", path=data),
        "test",
        contract=wrong,
        weights=separable_model.weights_file,
    )
    assert found.first_parting == "normalise"


def test_swapped_channels_show_in_the_first_layers(rgb112_model: Outside) -> None:
    """BGR for RGB: pictures whose channels differ, and a graph that reads them in the other order."""
    from fer_deploy.measure.comparison import compare_layers, first_parting
    from fer_deploy.quantize.layers import torch_layers

    pixels = rgb112_model.test.pixels[:4].copy()
    pixels[:, 0] //= 2
    module = float_graph(rgb112_model.model).module
    straight = torch_layers(module, pixels)
    swapped = torch_layers(module, np.ascontiguousarray(pixels[:, ::-1]))
    rows = compare_layers(straight, swapped)
    assert not isinstance(rows, Unknown)
    assert first_parting(rows, PART_BELOW_DB) == "normalise"


def test_different_labels_are_refused(
    artifacts: dict[str, Path], data: Path, tmp_path: Path, separable_model: Outside
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(separable_model.contract_file.read_text().replace('"left"', '"sideways"'))
    code, said = run(
        separable_model.reference,
        artifacts["onnx"],
        *("--contract", other, "--weights", separable_model.weights_file),
        *("--dataset", "folder", "--data", data),
    )
    assert code == 2
    assert "only models with the same labels can be compared" in said
