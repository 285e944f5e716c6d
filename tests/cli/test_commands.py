"""What the commands print and write when all is well."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner
from PIL import Image

from fer_deploy.cli import COMMANDS, main
from fer_deploy.data.preprocess import face_pixels
from fer_deploy.model import Model, load_model
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.targets.artifact import open_artifact
from fer_deploy.targets.prediction import softmax
from fixtures.job import Job
from fixtures.lowered import Lower
from fixtures.synthetic import LABELS, separable_faces, tiny_recipe


def output_of(*arguments: str | Path) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    faces = separable_faces(4, 9)
    path = tmp_path_factory.mktemp("image") / "face.png"
    Image.fromarray(faces.pixels[2, 0]).save(path)
    return path


def test_help_says_what_each_command_says_of_itself() -> None:
    for name, line in COMMANDS.items():
        module = importlib.import_module(f"fer_deploy.cli.{name.replace('-', '_')}")
        assert module.command.name == name
        assert module.command.short_help is None, "one line of help a command, in COMMANDS"
        assert module.command.help
        assert line in output_of("--help")
        assert "Usage:" in output_of(name, "--help")


def test_version() -> None:
    assert output_of("--version").startswith("fer-deploy 0.")


def test_predict_with_the_float_model(face: Path, model_folder: Path, trained_model: Model) -> None:
    answer = json.loads(output_of("predict", face, "--model", model_folder, "--json"))
    pixels = face_pixels(Image.open(face), trained_model.contract.input)[None]
    expected = softmax(float_graph(trained_model).logits(pixels, "test"))[0]
    assert {one["label"]: one["probability"] for one in answer["classes"]} == pytest.approx(
        dict(zip(LABELS, expected.tolist(), strict=True)), abs=1e-6
    )
    assert answer["top"] == answer["classes"][0]["label"] == "top"
    assert answer["contract_sha256"] == trained_model.contract.sha256


@pytest.mark.parametrize("target", ["executorch", "onnx"])
def test_predict_with_an_artifact(face: Path, lowered: Lower, target: str) -> None:
    artifact, _ = lowered(target, "w8a8-ptq")
    answer = json.loads(output_of("predict", face, "--artifact", artifact.folder, "--json"))
    assert answer["top"] == "top"
    assert sum(one["probability"] for one in answer["classes"]) == pytest.approx(1.0)


def test_predict_prints_a_line_per_class(face: Path, model_folder: Path) -> None:
    lines = output_of("predict", face, "--model", model_folder).splitlines()
    assert len(lines) == len(LABELS)
    assert lines[0].startswith("top ")


def test_export_writes_only_what_was_asked_for(
    tmp_path: Path, model_folder: Path, faces_folder: Path
) -> None:
    arguments = (
        "--model",
        model_folder,
        "--dataset",
        "folder",
        "--data",
        faces_folder,
        "--output",
        tmp_path / "out",
    )
    (row,) = json.loads(output_of("export", "--target", "onnx", "--recipe", "int8", *arguments, "--json"))
    assert (row["target"], row["recipe"]) == ("onnx", "w8a8-ptq")
    artifact = open_artifact(Path(row["folder"]))
    assert row["sha256"] == artifact.info.sha256
    assert [path.name for path in (tmp_path / "out").glob("*/[!.]*")] == ["onnx-w8a8-ptq"]


def test_profile_reports_what_it_measured(job: Job) -> None:
    assert job.result.exit_code == 0, job.result.output
    report = json.loads(output_of("profile", job.output / "onnx-float", "--json"))
    (figures,) = report["figures"]
    assert figures["latency_p50"]["provenance"] == "measured"
    assert figures["latency_p50"]["value"] > 0
    assert "onnx" in output_of("profile", job.output / "onnx-float")


def test_devices_lists_the_host() -> None:
    assert "host" in {one["name"] for one in json.loads(output_of("devices", "--json"))["profiles"]}
    assert "host" in output_of("devices")


def test_evaluate_a_model_and_an_artifact(job: Job, model_folder: Path, faces_folder: Path) -> None:
    data = ("--dataset", "folder", "--data", faces_folder)
    of_model = json.loads(output_of("evaluate", model_folder, *data, "--json"))
    of_artifact = json.loads(output_of("evaluate", job.output / "onnx-float", *data, "--json"))
    assert of_model["accuracy"]["value"] == of_artifact["accuracy"]["value"] > 0.9
    assert "recall of left" in output_of("evaluate", model_folder, *data)


def test_train_writes_a_model_and_its_log(tmp_path: Path, faces_folder: Path) -> None:
    document = tiny_recipe(epochs=1).model_dump(mode="json", exclude_none=True)
    document["data"] = {"kind": "folder", "path": str(faces_folder)}
    recipe = tmp_path / "net" / "train.toml"
    recipe.parent.mkdir()
    recipe.write_text(tomli_w.dumps(document))
    said = output_of("train", recipe, "--work-dir", tmp_path / "run", "--threads", "1")
    assert "accuracy" in said
    model = load_model(tmp_path / "net")
    assert set(model.contract.labels) == set(LABELS)
    assert recipe.is_file(), "the recipe stays beside what it made"
    header, *rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert header.startswith("epoch,")
    assert len(rows) == 1


def test_export_takes_the_options_of_its_targets(
    tmp_path: Path, model_folder: Path, faces_folder: Path
) -> None:
    data = ("--model", model_folder, "--dataset", "folder", "--data", faces_folder, "--recipe", "float")
    coreml = ("--target", "coreml", "--ios", "15", "--classifier", "--output", tmp_path / "a")
    output_of("export", *coreml, *data)
    assert "label_probabilities" in output_of("inspect", tmp_path / "a" / model_folder.name / "coreml-float")
    delegate = ("--target", "executorch", "--delegate", "coreml", "--output", tmp_path / "b")
    (row,) = json.loads(output_of("export", *delegate, *data, "--json"))
    artifact = open_artifact(Path(row["folder"]))
    assert artifact.info.runtime == "ExecuTorch Core ML"
    assert b"CoreMLBackend" in artifact.file.read_bytes()
