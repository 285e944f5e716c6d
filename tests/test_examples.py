"""The notebook: a valid one without outputs, whose cells compile; the slow test runs them on the shipped model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_NOTEBOOK = _ROOT / "examples" / "quickstart.ipynb"


def _cells() -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(_NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return cells


def _code() -> list[str]:
    return ["".join(cell["source"]) for cell in _cells() if cell["cell_type"] == "code"]


def test_the_notebook_is_of_format_4_and_holds_no_output() -> None:
    document = json.loads(_NOTEBOOK.read_text(encoding="utf-8"))
    assert set(document) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in document["cells"]]
    assert len(ids) == len(set(ids))
    for cell in document["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        assert all(isinstance(line, str) for line in cell["source"])
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_its_cells_compile() -> None:
    for number, source in enumerate(_code()):
        compile(source, f"cell {number}", "exec")


@pytest.mark.slow
def test_its_cells_run(tmp_path: Path, fer_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_DATA", str(fer_data.resolve()))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(_ROOT / "models" / "fer_s", tmp_path / "models" / "fer_s")
    shutil.copy(_ROOT / "fer-deploy.toml", tmp_path)
    names: dict[str, Any] = {}
    for number, source in enumerate(_code()):
        exec(compile(source, f"cell {number}", "exec"), names)
    assert names["report"].model.name == "fer_s"
    assert (tmp_path / "dist" / "fer_s" / "check.json").is_file()
