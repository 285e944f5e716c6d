"""Bad input: one clear sentence on stderr, exit code 2, no traceback, no file left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from fer_deploy.cli import main
from fer_deploy.model import MODEL_FILE, WEIGHTS_FILE
from fixtures.lowered import Lower


def call(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, *words: str) -> None:
    """The command ended with exit code 2 and one sentence that holds ``words``."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit), f"not handled: {result.exception!r}"
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, result.stderr
    assert result.stderr.splitlines()[-1] == lines[0], "the sentence is the last line"
    assert "Traceback" not in result.output
    for word in words:
        assert word in lines[0]


@pytest.fixture
def model(model_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny net's folder, to be damaged."""
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.new("L", (24, 24), 90).save(tmp_path / "face.png")
    return tmp_path / "face.png"


@pytest.mark.parametrize("command", ["run", "export"])
class TestModel:
    def arguments(self, command: str, output: Path, faces: Path) -> list[str]:
        more = ["--target", "onnx"] if command == "export" else []
        return [command, *more, "--output", str(output), "--dataset", "folder", "--data", str(faces)]

    def test_missing(self, command: str, output: Path, faces_folder: Path) -> None:
        refused(call(*self.arguments(command, output, faces_folder), "--model", "no/such"), "'no/such'")
        assert not output.exists()

    def test_truncated_weights(self, command: str, model: Path, output: Path, faces_folder: Path) -> None:
        weights = model / WEIGHTS_FILE
        weights.write_bytes(weights.read_bytes()[:-100])
        refused(
            call(*self.arguments(command, output, faces_folder), "--model", model), WEIGHTS_FILE, "damaged"
        )
        assert not output.exists()

    def test_contract_of_another_model(
        self, command: str, model: Path, output: Path, faces_folder: Path
    ) -> None:
        toml = model / MODEL_FILE
        toml.write_text(toml.read_text().replace('"bottom"', '"bottom", "other"'))
        refused(call(*self.arguments(command, output, faces_folder), "--model", model), "do not fit")
        assert not output.exists()

    def test_malformed_contract(self, command: str, model: Path, output: Path, faces_folder: Path) -> None:
        toml = model / MODEL_FILE
        toml.write_text(toml.read_text().replace('color = "grey"', 'color = "green"'))
        refused(call(*self.arguments(command, output, faces_folder), "--model", model), "input.color")
        assert not output.exists()

    def test_output_that_cannot_be_written(
        self, command: str, model: Path, tmp_path: Path, faces_folder: Path
    ) -> None:
        (tmp_path / "file").write_text("not a folder")
        bad = tmp_path / "file" / "out"
        refused(call(*self.arguments(command, bad, faces_folder), "--model", model), str(bad), "--output")
        assert (tmp_path / "file").read_text() == "not a folder"

    def test_unknown_recipe(self, command: str, model: Path, output: Path, faces_folder: Path) -> None:
        result = call(*self.arguments(command, output, faces_folder), "--model", model, "--recipe", "w4")
        refused(result, "unknown recipe 'w4'", "known")
        assert not output.exists()

    def test_labels_of_another_dataset(self, command: str, model: Path, output: Path, fer_data: Path) -> None:
        more = ["--target", "onnx"] if command == "export" else []
        result = call(command, *more, "--model", model, "--output", output, "--data", fer_data)
        refused(result, "labels")
        assert not any(output.glob("*/[!.]*"))

    def test_missing_dataset(self, command: str, model: Path, output: Path, tmp_path: Path) -> None:
        result = call(*self.arguments(command, output, tmp_path / "gone"), "--model", model)
        refused(result, str(tmp_path / "gone"))
        assert not any(output.glob("*/[!.]*"))


def test_run_needs_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(call("run"), "fer-deploy.toml", "--model")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = [", "not valid TOML"),
        ("[model]\npath = 'm'\n[exprot]\n", "exprot"),
        ("[model]\npath = 'm'\n[quantize]\ncalibration_images = 0\n", "quantize.calibration_images"),
        ("[model]\npath = 'm'\n[export]\ntargets = ['tflite']\n", "unknown target 'tflite'"),
        ("[model]\npath = 'm'\n[export]\nrecipes = ['w2']\n", "unknown recipe 'w2'"),
        ("[model]\npath = 'm'\n[profile]\ndevices = ['nokia-3310']\n", "unknown device 'nokia-3310'"),
        ("model = 3\n", "model"),
        ("[data]\nkind = 'ferplus'\n", "--model"),
    ],
)
def test_configuration(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "fer-deploy.toml"
    config.write_text(text)
    refused(call("run", "--config", config), words)
    assert list(tmp_path.iterdir()) == [config]


def test_configuration_that_is_missing(tmp_path: Path) -> None:
    refused(call("run", "--config", tmp_path / "none.toml"), "none.toml", "does not exist")


def test_unknown_target(model: Path, output: Path) -> None:
    refused(
        call("export", "--target", "tflite", "--model", model, "--output", output), "unknown target 'tflite'"
    )
    assert not output.exists()


def test_unknown_device(output: Path) -> None:
    refused(call("profile", "--device", "nokia-3310", "--output", output), "unknown device 'nokia-3310'")


def test_profile_without_artifacts(output: Path) -> None:
    refused(call("profile", "--output", output), str(output), "fer-deploy export")


def test_profile_of_a_damaged_artifact(lowered: Lower, tmp_path: Path) -> None:
    artifact, _ = lowered("onnx", "float")
    folder = Path(shutil.copytree(artifact.folder, tmp_path / "artifact"))
    file = folder / artifact.info.file
    file.write_bytes(file.read_bytes()[:-1])
    refused(call("profile", folder), "damaged")


class TestPredict:
    def test_no_image(self, model: Path, tmp_path: Path) -> None:
        refused(call("predict", tmp_path / "none.png", "--model", model), "none.png", "does not exist")

    def test_not_an_image(self, model: Path, tmp_path: Path) -> None:
        (tmp_path / "text.png").write_text("not an image")
        refused(call("predict", tmp_path / "text.png", "--model", model), "text.png", "not an image")

    def test_empty_box(self, model: Path, image: Path) -> None:
        refused(call("predict", image, "--model", model, "--box", 9, 9, 9, 20), "empty")

    def test_artifact_that_is_none(self, image: Path, tmp_path: Path) -> None:
        refused(call("predict", image, "--artifact", tmp_path), "not an artifact folder")

    def test_model_and_artifact(self, image: Path, model: Path, tmp_path: Path) -> None:
        refused(call("predict", image, "--artifact", tmp_path, "--model", model), "--artifact and --model")


class TestTrain:
    def test_missing_recipe(self, tmp_path: Path) -> None:
        refused(call("train", tmp_path / "none.toml"), "none.toml", "does not exist")

    def test_unknown_key(self, tmp_path: Path) -> None:
        recipe = tmp_path / "train.toml"
        recipe.write_text("epoch = 3\n")
        refused(call("train", recipe), "train.toml")
        assert list(tmp_path.iterdir()) == [recipe]


def test_evaluate_a_folder_with_another_contract(model: Path) -> None:
    refused(
        call("evaluate", model, "--contract", model / "model.toml"), "carries its own contract and weights"
    )


def test_evaluate_unknown_dataset(model: Path) -> None:
    refused(call("evaluate", model, "--dataset", "imagenet"), "unknown dataset 'imagenet'")


def test_unknown_command_is_a_usage_error() -> None:
    result = call("quantise")
    assert result.exit_code == 2
    assert "No such command 'quantise'" in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[export.coreml]\nios = 12\n", "iOS 12"),
        ("[export.coreml]\nimage = true\n", "export.coreml.image"),
        ("[export]\ndelegate = 'gpu'\n", "export.delegate"),
    ],
)
def test_target_options(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "fer-deploy.toml"
    config.write_text(f"[model]\npath = 'm'\n{text}")
    refused(call("run", "--config", config), words)


def test_quantize_operations_need_a_newer_ios(model: Path, output: Path, faces_folder: Path) -> None:
    data = ("--dataset", "folder", "--data", faces_folder, "--calibration-images", "64")
    arguments = (
        "--target",
        "coreml",
        "--recipe",
        "int8",
        "--ios",
        "16",
        "--model",
        model,
        "--output",
        output,
    )
    refused(call("export", *arguments, *data), "iOS 17")
    assert not any(output.glob("*/[!.]*"))
