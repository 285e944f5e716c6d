"""Interrupted runs: nothing half done is taken for whole, and what was whole is taken over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner

import fer_deploy
from fer_deploy.cli import main
from fer_deploy.errors import OutputError
from fer_deploy.measure.inference import Inference
from fer_deploy.pipeline.store import FOLDER, Store, digest, only_run
from fer_deploy.report.schema import Report, load_report
from fer_deploy.targets.artifact import INFO_FILE, open_artifact
from fer_deploy.targets.golden import Golden
from fixtures.lowered import Lower
from fixtures.sample_report import host_runtime

KILLS = 30


@pytest.fixture
def output(tmp_path: Path, lowered: Lower) -> Path:
    """An output folder with one artifact, remembered as made from ``inputs``."""
    artifact, delegation = lowered("onnx", "float")
    folder = tmp_path / "net" / artifact.key
    shutil.copytree(artifact.folder, folder)
    Store(folder.parent).keep_artifact(open_artifact(folder), delegation, "inputs")
    return folder.parent


class TestArtifacts:
    def test_taken_over_with_what_lowering_said(self, output: Path, lowered: Lower) -> None:
        store = Store(output)
        kept = store.artifact(output / "onnx-float", "inputs")
        assert kept is not None
        assert kept[0].info == lowered("onnx", "float")[0].info
        assert kept[1] == lowered("onnx", "float")[1]
        assert store.reused == ["artifact onnx-float"]

    def test_not_of_other_inputs(self, output: Path) -> None:
        assert Store(output).artifact(output / "onnx-float", "others") is None

    def test_not_when_all_is_to_be_fresh(self, output: Path) -> None:
        assert Store(output, fresh=True).artifact(output / "onnx-float", "inputs") is None

    @pytest.mark.parametrize("name", ["model.onnx", INFO_FILE, "golden.json"])
    @pytest.mark.parametrize("damage", ["truncate", "change", "remove"])
    def test_not_when_any_file_of_it_changed(self, output: Path, name: str, damage: str) -> None:
        path = output / "onnx-float" / name
        raw = path.read_bytes()
        if damage == "remove":
            path.unlink()
        else:
            path.write_bytes(raw[:-1] if damage == "truncate" else raw[:-2] + b" " + raw[-1:])
        store = Store(output)
        assert store.artifact(output / "onnx-float", "inputs") is None
        assert store.reused == []

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"inputs": "inputs"}'])
    def test_not_by_a_damaged_note(self, output: Path, text: str) -> None:
        (output / FOLDER / "artifact-onnx-float.json").write_text(text)
        assert Store(output).artifact(output / "onnx-float", "inputs") is None


class TestAnswers:
    logits = np.arange(12, dtype=np.float32).reshape(3, 4)

    def test_round_trip(self, tmp_path: Path) -> None:
        for emulation in (None, "an interpreter"):
            Store(tmp_path).keep_answers("net", Inference(self.logits, emulation), "inputs")
            kept = Store(tmp_path).answers("net", "inputs")
            assert kept is not None
            assert kept.emulation == emulation
            np.testing.assert_array_equal(kept.logits, self.logits)
        assert Store(tmp_path).answers("net", "other images") is None

    def test_a_truncated_file_is_no_answer(self, tmp_path: Path) -> None:
        Store(tmp_path).keep_answers("net", Inference(self.logits, None), "inputs")
        path = tmp_path / FOLDER / "answers-net.npz"
        raw = path.read_bytes()
        for length in range(0, len(raw), 7):
            path.write_bytes(raw[:length])
            assert Store(tmp_path).answers("net", "inputs") is None


def test_timings_live_until_the_report_is_written(tmp_path: Path) -> None:
    figures = (host_runtime("onnx-float"),)
    Store(tmp_path).keep_timings("host", figures, "inputs")
    store = Store(tmp_path)
    assert store.timings("host", "inputs") == figures
    assert store.timings("host", "another protocol") is None
    store.finish()
    assert Store(tmp_path).timings("host", "inputs") is None


def test_the_digest_depends_on_every_input_and_not_on_their_order() -> None:
    assert digest(a=1, b=2) == digest(b=2, a=1)
    assert len({digest(a=1, b=2), digest(a=1, b=3), digest(a=1), digest(a=[1, 2])}) == 4


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with only_run(tmp_path), pytest.raises(OutputError, match="another run"), only_run(tmp_path):
        pytest.fail("entered twice")
    with only_run(tmp_path):
        pass


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".onnx-float.x.partial").mkdir()
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / ".answers.npz.y.partial").write_text("half")
    (tmp_path / "onnx-float").mkdir()
    with only_run(tmp_path):
        left = [path.name for path in tmp_path.rglob("*") if path.name.endswith(".partial")]
    assert left == []
    assert (tmp_path / "onnx-float").is_dir()


def configuration(folder: Path, model: Path, faces: Path) -> Path:
    document = {
        "model": {"path": str(model)},
        "data": {"kind": "folder", "path": str(faces)},
        "quantize": {"calibration_images": 64},
        "export": {"targets": ["onnx"], "recipes": ["float", "w8a8-ptq"], "output": "out"},
        "profile": {"timing": {"min_runs": 30, "min_seconds": 0.0, "warmups": 0}},
    }
    path = folder / "fer-deploy.toml"
    path.write_text(tomli_w.dumps(document))
    return path


def same_figures(first: Report, second: Report) -> None:
    assert first.float_accuracy == second.float_accuracy
    assert first.artifacts == second.artifacts
    assert first.graphs == second.graphs


def test_a_second_run_takes_over_all_but_the_timings(
    tmp_path: Path, model_folder: Path, faces_folder: Path
) -> None:
    config = configuration(tmp_path, model_folder, faces_folder)
    reports = []
    for flags in ((), ("--timings",)):
        result = CliRunner().invoke(main, ["run", "--config", str(config), *flags])
        assert result.exit_code == 0, result.output
        reports.append(load_report(tmp_path / "out" / model_folder.name / "report.json"))
    assert reports[0].reused == ()
    assert set(reports[1].reused) == {
        "artifact onnx-float",
        "artifact onnx-w8a8-ptq",
        "answers of float-model",
        "answers of onnx-float",
        "answers of onnx-w8a8-ptq",
        "layers of graph-w8a8-ptq",
        "layers of onnx-w8a8-ptq",
    }
    same_figures(*reports)
    assert "timing on" in result.stderr
    assert "total" in result.stderr
    narrower = config.read_text().replace("calibration_images = 64", "calibration_images = 48")
    config.write_text(narrower)
    assert CliRunner().invoke(main, ["run", "--config", str(config)]).exit_code == 0
    third = load_report(tmp_path / "out" / model_folder.name / "report.json")
    assert "artifact onnx-float" not in third.reused, "its settings are another run's"
    assert "artifact onnx-w8a8-ptq" not in third.reused


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path, model_folder: Path, faces_folder: Path) -> None:
    """kill -9 over and over: every artifact in sight is whole, and in the end a run goes on from what there is."""
    config = configuration(tmp_path, model_folder, faces_folder)
    output = tmp_path / "out" / model_folder.name
    command = [sys.executable, "-m", "fer_deploy", "run", "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(Path(fer_deploy.__file__).parents[1])}

    def start(*flags: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *flags],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(*flags: str) -> None:
        run = start(*flags)
        _, said = run.communicate(timeout=600)
        assert run.returncode == 0, said

    began = time.monotonic()
    finish("--fresh")
    whole = time.monotonic() - began
    moments = np.random.default_rng(0).uniform(0, whole, KILLS)
    for number, moment in enumerate(moments):
        run = start(*(("--fresh",) if number % 2 else ()))
        time.sleep(moment)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        for folder in output.glob("*/"):
            if folder.name.startswith("."):
                continue
            artifact = open_artifact(folder)
            golden = Golden.model_validate_json((folder / "golden.json").read_bytes())
            assert golden.artifact_sha256 == artifact.info.sha256
        if (output / "report.json").exists():
            load_report(output / "report.json")
    finish()
    report = load_report(output / "report.json")
    assert {one.key for one in report.artifacts} == {"onnx-float", "onnx-w8a8-ptq"}
    assert not [path for path in output.rglob("*") if path.name.endswith(".partial")]
    check = CliRunner().invoke(main, ["check", "--config", str(config), "--max-size-kb", "10000", "--json"])
    assert check.exit_code == 0, check.output
    assert json.loads(check.stdout)["verdicts"]
    finish()
    assert "artifact onnx-float" in load_report(output / "report.json").reused
