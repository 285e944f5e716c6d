"""``fer-deploy calibrate`` says what it kept, and of what."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner

from fer_deploy.cli import main


def test_it_says_what_was_kept(model_folder: Path, faces_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "edges"))
    arguments = ["calibrate", str(folder), "--dataset", "folder", "--data", str(faces_folder)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{folder / 'calibration.json'}: ")
    assert f"ranges from 144 images of calibration set of folder {faces_folder / 'train'}" in result.stdout


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["calibrate", str(tmp_path)])
    assert result.exit_code == 2
    assert "it has no model.toml" in result.output
