"""Ctrl-C at every stage of a real run: exit code 130, nothing half written, and the next run goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner

import fer_deploy
from fer_deploy.cli import main
from fer_deploy.files import alone_in
from fer_deploy.report.schema import load_report
from fer_deploy.targets.artifact import open_artifact

#: What a run says when a stage begins; None: while it still imports torch.
STAGES = (None, "building the float graph", "lowering onnx-float", "timing 1 artifacts")
PATIENCE = 300  # seconds


class Bench:
    def __init__(self, folder: Path, model: Path, faces: Path) -> None:
        self.output = folder / "out" / model.name
        document = {
            "model": {"path": str(model)},
            "data": {"kind": "folder", "path": str(faces)},
            "export": {"targets": ["onnx"], "recipes": ["float"], "output": "out"},
            "profile": {"timing": {"min_runs": 30, "min_seconds": 2.0, "warmups": 0}},
        }
        self.config = folder / "fer-deploy.toml"
        self.config.write_text(tomli_w.dumps(document))

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "fer_deploy", "run", "--config", str(self.config)],
            env={**os.environ, "PYTHONPATH": str(Path(fer_deploy.__file__).parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def interrupted_at(self, stage: str | None) -> tuple[int, str]:
        """Return exit code and stderr of a run that SIGINT hits as it says ``stage``."""
        run = self.start()
        assert run.stderr is not None
        watchdog = threading.Timer(PATIENCE, run.kill)
        watchdog.start()
        said = ""
        try:
            if stage is None:
                maps = Path(f"/proc/{run.pid}/maps")
                while "libtorch" not in maps.read_text():
                    time.sleep(0.01)
            else:
                for line in run.stderr:
                    said += line
                    if line.startswith(stage):
                        break
                else:
                    pytest.fail(f"the run never said '{stage}': {said}")
            run.send_signal(signal.SIGINT)
            _, rest = run.communicate()
        finally:
            watchdog.cancel()
            run.kill()
        return run.returncode, said + rest

    def left(self) -> list[str]:
        """Return the names of what is in the output folder, after checking that all of it is whole."""
        names = sorted(path.name for path in self.output.glob("*")) if self.output.exists() else []
        assert [path for path in self.output.rglob("*") if path.name.endswith(".partial")] == []
        if "onnx-float" in names:
            open_artifact(self.output / "onnx-float")
        return names


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="which library is loaded is read from /proc")
def test_at_every_stage(tmp_path: Path, model_folder: Path, faces_folder: Path) -> None:
    bench = Bench(tmp_path, model_folder, faces_folder)
    for stage in STAGES:
        code, said = bench.interrupted_at(stage)
        assert code == 130, (stage, said)
        assert "Traceback" not in said, stage
        assert said.splitlines()[-1].startswith("Interrupted: "), stage
        assert "report.json" not in bench.left(), stage
    assert "onnx-float" in bench.left(), "the last stage has something to go on from"
    run = bench.start()
    _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, said
    assert "artifact onnx-float" in load_report(bench.output / "report.json").reused
    assert "lowering" not in said


def test_two_runs_at_once_in_one_folder(tmp_path: Path, model_folder: Path, faces_folder: Path) -> None:
    bench = Bench(tmp_path, model_folder, faces_folder)
    with alone_in(bench.output):
        run = bench.start()
        _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 2
    assert said.splitlines()[-1] == (
        f"Error: another run is writing to {bench.output}; wait for it or choose another output folder"
    )
    assert bench.left() == [".lock"]


def test_an_export_does_not_write_where_a_run_does(
    tmp_path: Path, model_folder: Path, faces_folder: Path
) -> None:
    bench = Bench(tmp_path, model_folder, faces_folder)
    words = ["export", "--config", str(bench.config), "--target", "onnx", "--recipe", "float"]
    with alone_in(bench.output):
        result = CliRunner().invoke(main, [*words, "--output", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"Error: another run is writing to {bench.output}; wait")
    assert bench.left() == [".lock"]
