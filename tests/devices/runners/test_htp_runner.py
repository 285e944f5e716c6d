"""The NPU's runner with this machine's CPU in the library's place: what it reads, what it writes, how it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_deploy.devices.runners import htp_runner
from fixtures.lowered import Lower


def _job(folder: Path, model: Path, **inputs: Any) -> tuple[Path, Path]:
    np.savez(folder / "inputs.npz", **inputs)
    job = {
        "model": str(model), "inputs": str(folder / "inputs.npz"), "outputs": str(folder / "outputs.npz"),
        "result": str(folder / "result.json"), "options": {}, "alone": True,
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    return folder / "job.json", folder / "result.json"


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(job: dict[str, Any]) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        return onnxruntime.InferenceSession(job["model"], options)

    monkeypatch.setattr(htp_runner, "opened", opened)


@pytest.mark.usefixtures("on_cpu")
def test_every_picture_is_run_alone(tmp_path: Path, lowered: Lower) -> None:
    artifact = lowered("onnx", "w8a8-ptq")[0]
    pixels = np.random.default_rng(0).integers(0, 256, (3, *artifact.info.input.shape[1:])).astype(np.float32)
    job, result = _job(tmp_path, artifact.file, pixels=pixels)
    assert htp_runner.main([str(job)]) == 0
    found = json.loads(result.read_text())
    assert found["refused"] is None
    assert {one[0] for one in found["placed"]} == {"CPUExecutionProvider"}
    with np.load(tmp_path / "outputs.npz") as outputs:
        assert outputs["logits"].shape == (3, artifact.info.output.shape[1])


@pytest.mark.usefixtures("on_cpu")
def test_without_pictures_the_graph_is_opened_only(tmp_path: Path, lowered: Lower) -> None:
    job, result = _job(tmp_path, lowered("onnx", "w8a8-ptq")[0].file)
    assert htp_runner.main([str(job)]) == 0
    assert json.loads(result.read_text())["placed"]
    assert not (tmp_path / "outputs.npz").exists()


def test_what_cannot_be_opened_is_a_refusal(tmp_path: Path) -> None:
    job, result = _job(tmp_path, tmp_path / "none.onnx")
    assert htp_runner.main([str(job)]) == 3
    assert json.loads(result.read_text())["refused"]


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert htp_runner.main([]) == 2
    assert "usage" in capsys.readouterr().err
