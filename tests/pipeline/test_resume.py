"""A run that was stopped and goes on with another configuration reports on the other configuration."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli_w

import fer_deploy.pipeline.run as run_module
from fer_deploy.pipeline.config import load_config
from fer_deploy.pipeline.run import Run


def configured(folder: Path, model: Path, faces: Path, images: int) -> Any:
    document = {
        "model": {"path": str(model)},
        "data": {"kind": "folder", "path": str(faces)},
        "quantize": {"calibration_images": images},
        "export": {"targets": ["onnx"], "recipes": ["w8a8-ptq"], "output": "out"},
        "profile": {"timing": {"min_runs": 5, "min_seconds": 0.0, "warmups": 0}},
    }
    config = folder / "fer-deploy.toml"
    config.write_text(tomli_w.dumps(document))
    return load_config(config)


def test_a_configuration_changed_before_resume(
    tmp_path: Path, model_folder: Path, faces_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = Path(shutil.copytree(faces_folder, tmp_path / "faces"))

    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "all_runtime_figures", stopped)
        with pytest.raises(KeyboardInterrupt):
            Run(configured(tmp_path, model_folder, faces, 32)).report()
    assert not (tmp_path / "out" / model_folder.name / "report.json").exists()

    other = Run(configured(tmp_path, model_folder, faces, 16)).report()
    assert "artifact onnx-w8a8-ptq" not in other.reused
    assert other.calibration is not None
    assert other.calibration.images == 16

    same = Run(configured(tmp_path, model_folder, faces, 16)).report()
    assert "artifact onnx-w8a8-ptq" in same.reused
    assert "answers of float-model" in same.reused

    next((faces / "test").rglob("*.png")).unlink()
    fewer = Run(configured(tmp_path, model_folder, faces, 16)).report()
    assert not [line for line in fewer.reused if line.startswith("answers")]
    assert fewer.dataset.images == same.dataset.images - 1
    assert fewer.dataset.sha256 != same.dataset.sha256
