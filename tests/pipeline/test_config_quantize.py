"""``[quantize.ptq]`` and ``[quantize.qat]`` of the configuration reach the artifact, and it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.targets.artifact import open_artifact


@pytest.fixture
def config(tmp_path: Path, model_folder: Path, faces_folder: Path) -> Path:
    file = tmp_path / "fer-deploy.toml"
    document = {
        "model": {"path": str(model_folder)},
        "data": {"kind": "folder", "path": str(faces_folder)},
        "quantize": {
            "calibration_images": 64,
            "qat_work_dir": "work",
            "ptq": {"observer": "mse", "equalization": True},
            "qat": {"epochs": 1, "images_per_epoch": 64, "batch_size": 32},
        },
        "export": {"output": "out", "recipes": ["w8a8-qat"]},
    }
    file.write_text(tomli_w.dumps(document))
    return file


def test_qat_is_trained_and_its_artifact_says_what_was_kept(config: Path, model_folder: Path) -> None:
    result = CliRunner().invoke(main, ["export", "--config", str(config), "--target", "onnx"])
    assert result.exit_code == 0, result.output
    artifact = open_artifact(config.parent / "out" / model_folder.name / "onnx-w8a8-qat")
    assert artifact.info.recipe == "w8a8-qat"
    assert artifact.info.quantization is not None
    assert artifact.info.quantization.observer == "mse"
    assert artifact.info.quantization.equalization
    assert artifact.info.note is not None
    assert artifact.info.note.startswith(("QAT was kept by", "PTQ was kept by"))
    assert (config.parent / "work" / model_folder.name / "checkpoint.pt").is_file()


def test_unknown_observer_is_refused_in_one_sentence(config: Path) -> None:
    config.write_text(config.read_text().replace('"mse"', '"entropy"'))
    result = CliRunner().invoke(main, ["export", "--config", str(config), "--target", "onnx"])
    assert result.exit_code == 2
    assert "quantize.ptq.observer" in result.output
