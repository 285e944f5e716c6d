"""Interrupted runs: nothing half done is taken for whole, and what was whole is reused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner

import fer_deploy
from fer_deploy.cli import main
from fer_deploy.errors import OutputError
from fer_deploy.frozen import Unknown
from fer_deploy.measure.subject import Inference
from fer_deploy.pipeline.store import ANSWERS, FOLDER, TIMINGS, Kind, Store, artifact_in, digest, only_run
from fer_deploy.report.schema import Report, load_report
from fer_deploy.targets.artifact import INFO_FILE, Artifact, open_artifact
from fer_deploy.targets.base import Delegation
from fer_deploy.targets.golden import Golden
from fixtures.lowered import Lower
from fixtures.sample_report import host_runtime

pytestmark = pytest.mark.usefixtures("one_round", "without_pictures")

KILLS = 30


@pytest.fixture
def output(tmp_path: Path, lowered: Lower) -> Path:
    """An output folder with one artifact, kept as made from ``inputs``."""
    artifact, delegation = lowered("onnx", "float")
    folder = tmp_path / "net" / artifact.key
    shutil.copytree(artifact.folder, folder)
    kept = open_artifact(folder), delegation
    Store(folder.parent).once(artifact_in(folder), folder.name, "inputs", lambda: kept)
    return folder.parent


Value = TypeVar("Value")


def _not_there() -> Unknown:
    return Unknown(reason="made anew")


def _made_anew(store: Store, kind: Kind[Value], name: str, inputs: str) -> bool:
    found = store.once(kind, name, inputs, _not_there)
    return isinstance(found, Unknown)


def _same(given: Inference) -> Inference:
    return given


def _artifact(store: Store, output: Path, inputs: str = "inputs") -> tuple[Artifact, Delegation] | Unknown:
    return store.once(artifact_in(output / "onnx-float"), "onnx-float", inputs, _not_there)


class TestArtifacts:
    def test_reused_with_what_lowering_said(self, output: Path, lowered: Lower) -> None:
        store = Store(output)
        kept = _artifact(store, output)
        assert not isinstance(kept, Unknown)
        assert kept[0].info == lowered("onnx", "float")[0].info
        assert kept[1] == lowered("onnx", "float")[1]
        assert store.reused == ["artifact onnx-float"]

    def test_not_of_other_inputs(self, output: Path) -> None:
        assert isinstance(_artifact(Store(output), output, "others"), Unknown)

    def test_not_when_all_is_to_be_fresh(self, output: Path) -> None:
        assert isinstance(_artifact(Store(output, fresh=True), output), Unknown)

    def test_not_where_it_may_not_stand_for_the_new_one(self, output: Path) -> None:
        kind = artifact_in(output / "onnx-float")
        made = Store(output).once(kind, "onnx-float", "inputs", _not_there, reuse=False)
        assert isinstance(made, Unknown)

    def test_not_in_another_folder(self, output: Path) -> None:
        (output / "onnx-float").rename(output / "elsewhere")
        assert isinstance(_artifact(Store(output), output), Unknown)

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
        assert isinstance(_artifact(store, output), Unknown)
        assert store.reused == []

    @pytest.mark.parametrize(
        "text", ["", "{", "inputs", "inputs\n", "inputs\n[]", 'inputs\n{"folder_sha256": ""}']
    )
    def test_not_by_a_damaged_note(self, output: Path, text: str) -> None:
        (output / FOLDER / "artifact-onnx-float").write_text(text)
        assert isinstance(_artifact(Store(output), output), Unknown)


class TestAnswers:
    logits = np.arange(12, dtype=np.float32).reshape(3, 4)

    def test_round_trip(self, tmp_path: Path) -> None:
        for emulation in (None, "an interpreter"):
            given = Inference(self.logits, emulation)
            made = Store(tmp_path).once(ANSWERS, "net", str(emulation), partial(_same, given))
            assert made is given
            kept = Store(tmp_path).once(ANSWERS, "net", str(emulation), _not_there)
            assert isinstance(kept, Inference)
            assert kept.emulation == emulation
            np.testing.assert_array_equal(kept.logits, self.logits)
        assert _made_anew(Store(tmp_path), ANSWERS, "net", "other images")

    def test_a_truncated_file_is_no_answer(self, tmp_path: Path) -> None:
        Store(tmp_path).once(ANSWERS, "net", "inputs", lambda: Inference(self.logits, None))
        path = tmp_path / FOLDER / "answers-net"
        raw = path.read_bytes()
        for length in range(0, len(raw), 7):
            path.write_bytes(raw[:length])
            assert _made_anew(Store(tmp_path), ANSWERS, "net", "inputs")

    def test_what_cannot_be_made_is_tried_again(self, tmp_path: Path) -> None:
        assert _made_anew(Store(tmp_path), ANSWERS, "net", "inputs")
        store = Store(tmp_path)
        store.once(ANSWERS, "net", "inputs", lambda: Inference(self.logits, None))
        assert store.reused == []


def test_timings_live_until_the_report_is_written(tmp_path: Path) -> None:
    figures = (host_runtime("onnx-float"),)
    Store(tmp_path).once(TIMINGS, "host", "inputs", lambda: figures)
    store = Store(tmp_path)
    kept = store.once(TIMINGS, "host", "inputs", _not_there)
    assert kept == figures
    assert _made_anew(store, TIMINGS, "host", "another protocol")
    store.finish()
    assert _made_anew(Store(tmp_path), TIMINGS, "host", "inputs")


def test_the_digest_depends_on_every_input_and_not_on_their_order() -> None:
    assert digest(a=1, b=2) == digest(b=2, a=1)
    assert len({digest(a=1, b=2), digest(a=1, b=3), digest(a=1), digest(a=[1, 2])}) == 4


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        only_run(tmp_path),
        pytest.raises(OutputError, match=r"another run is writing to .*; wait for it or choose"),
        only_run(tmp_path),
    ):
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
        "quantize": {"calibration_images": 32},
        "export": {"targets": ["onnx"], "recipes": ["float", "w8a8-ptq"], "output": "out"},
        "profile": {"timing": {"min_runs": 5, "min_seconds": 0.0, "warmups": 0}},
    }
    path = folder / "fer-deploy.toml"
    path.write_text(tomli_w.dumps(document))
    return path


def same_figures(first: Report, second: Report) -> None:
    assert first.float_accuracy == second.float_accuracy
    assert first.artifacts == second.artifacts
    assert first.graphs == second.graphs


@dataclass(frozen=True)
class FirstRun:
    """A job's first run, from Python, and the files of its report by name. Later runs may go on from it."""

    config: Path
    report: Report
    written: dict[str, bytes]


@pytest.fixture(scope="module")
def first_run(model_folder: Path, faces_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    config = configuration(tmp_path_factory.mktemp("job"), model_folder, faces_folder)
    report = fer_deploy.run(fer_deploy.load_config(config))
    files = (config.parent / "out" / model_folder.name).glob("report.*")
    return FirstRun(config, report, {path.name: path.read_bytes() for path in files})


def test_a_run_from_python_finishes_its_job_as_the_command_does(first_run: FirstRun) -> None:
    assert set(first_run.written) == {"report.json", "report.md", "report.html"}
    assert Report.model_validate_json(first_run.written["report.json"]) == first_run.report
    second = fer_deploy.run(fer_deploy.load_config(first_run.config))
    assert not [line for line in second.reused if "timings" in line], "its timings are its own"
    same_figures(first_run.report, second)


def test_a_second_run_reuses_all_but_the_timings(first_run: FirstRun, model_folder: Path) -> None:
    stored = first_run.config.parent / "out" / model_folder.name / "report.json"
    result = CliRunner().invoke(main, ["run", "--config", str(first_run.config), "--timings"])
    assert result.exit_code == 0, result.output
    assert first_run.report.reused == ()
    second = load_report(stored)
    assert set(second.reused) == {
        "artifact onnx-float",
        "artifact onnx-w8a8-ptq",
        "answers of float-model",
        "answers of onnx-float",
        "answers of onnx-w8a8-ptq",
        "layers of graph-w8a8-ptq",
        "layers of onnx-w8a8-ptq",
    }
    same_figures(first_run.report, second)
    assert "timing on" in result.stderr
    assert "total" in result.stderr
    narrower = first_run.config.with_name("narrower.toml")
    text = first_run.config.read_text()
    narrower.write_text(text.replace("calibration_images = 32", "calibration_images = 24"))
    assert narrower.read_text() != text
    assert CliRunner().invoke(main, ["run", "--config", str(narrower)]).exit_code == 0
    third = load_report(stored)
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
