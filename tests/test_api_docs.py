"""``docs/api.md`` does what it says: its code runs, block after block, in a folder with a small model and faces."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from fixtures.job import write_faces

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder as the page has it, with the tiny net under the name of the shipped one."""
    shutil.copytree(model_folder, tmp_path / "models" / "fer_s")
    write_faces(tmp_path / "faces", "train", 64, 3)
    write_faces(tmp_path / "faces", "test", 40, 4)
    shutil.copy(next((tmp_path / "faces" / "test" / "top").iterdir()), tmp_path / "face.png")
    document = {
        "model": {"path": "models/fer_s"},
        "data": {"kind": "folder", "path": "faces"},
        "quantize": {"calibration_images": 32},
        "export": {"targets": ["onnx"], "recipes": ["w8a8-ptq"]},
        "profile": {"timing": {"min_runs": 5, "min_seconds": 0.0, "warmups": 2}},
    }
    (tmp_path / "fer-deploy.toml").write_text(tomli_w.dumps(document))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_runs(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    blocks = _BLOCK.findall(_PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 8
    names: dict[str, Any] = {"image_files": sorted(folder.glob("faces/train/*/*.png"))}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{_PAGE.name}, block {number}", "exec"), names)
    said = capfd.readouterr().out
    assert "Model fer_s: 24 × 24 grey, 4 classes" in said
    assert "Prediction top: top" in said
    assert "did you mean 'max_accuracy_drop'?" in said
    assert (folder / "dist" / "fer_s" / "check.json").is_file()
