"""An NPU in a run, in the gate and in the account of answers, with this machine in the library's place."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from fer_deploy.cli import main
from fer_deploy.devices.transports.htp import HtpTransport
from fer_deploy.gate.counts import contradictions
from fer_deploy.measure.figures import Flip
from fer_deploy.measure.subject import artifact_logits
from fer_deploy.report.schema import Report, load_report
from fer_deploy.targets.artifact import Artifact
from fixtures.job import Job

CONFIG = """
[model]
path = "{model}"
[data]
kind = "folder"
path = "{faces}"
[quantize]
calibration_images = 64
[export]
targets = ["onnx"]
output = "{dist}"
[profile]
devices = ["galaxy-s24", "galaxy-s24-ultra", "galaxy-s21"]
npu_images = 1000
[budget]
accept = ["measured", "emulated"]
[budget.artifacts."onnx-w8a8-ptq"]
max_npu_flips = 50
"""


def _run(folder: Path, job: Job, model: Path, faces: Path, *flags: str) -> tuple[Path, Report]:
    """Run with the artifacts of the finished job, which are of the same settings."""
    job.copied(folder / "dist" / model.name).unlink()
    config = folder / "fer-deploy.toml"
    config.write_text(CONFIG.format(model=model, faces=faces, dist=folder / "dist"))
    result = CliRunner().invoke(main, ["run", "--config", str(config), *flags])
    assert result.exit_code == 0, result.output
    assert "artifact onnx-w8a8-ptq" in load_report(folder / "dist" / model.name / "report.json").reused
    (report,) = (folder / "dist").glob("*/report.json")
    return report, load_report(report)


@pytest.fixture(scope="module")
def written(
    job: Job, model_folder: Path, faces_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Report]:
    def logits_of(
        transport: HtpTransport, artifact: Artifact, _: bytes, pixels: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        return artifact_logits(artifact, pixels) + np.float32(transport.npu.version / 1e4)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HtpTransport, "obstacle", lambda *_: None)
        patch.setattr(HtpTransport, "not_taken", lambda *_: ())
        patch.setattr(HtpTransport, "logits_of", logits_of)
        return _run(tmp_path_factory.mktemp("npu"), job, model_folder, faces_folder)


def test_the_int8_artifact_has_figures_on_every_npu_once(written: tuple[Path, Report]) -> None:
    path, report = written
    (plain, quantized) = sorted(report.artifacts, key=lambda one: len(one.npu))
    assert plain.recipe == "float"
    assert plain.npu == ()
    names = [one.npu for one in quantized.npu]
    assert names == ["Hexagon v75 (Snapdragon 8 Gen 3)", "Hexagon v68 (Snapdragon 888)"]
    for one in quantized.npu:
        assert one.images == one.of == report.dataset.images
        assert one.same_as_here.value == 1.0
        assert one.agreement.value == quantized.parity.agreement.value
    assert "On emulated NPUs" in path.with_suffix(".md").read_text()
    assert "On emulated NPUs" in path.with_suffix(".html").read_text()


def test_the_gate_demands_it(written: tuple[Path, Report]) -> None:
    path, report = written
    config = path.parents[2] / "fer-deploy.toml"

    def verdicts(*flags: str) -> dict[str, tuple[str, str]]:
        done = CliRunner().invoke(main, ["check", "--config", str(config), "--json", *flags])
        return {
            one["subject"]: (one["outcome"], one["message"])
            for one in json.loads(done.stdout)["verdicts"]
            if one["figure"] == "flips on an NPU"
        }

    assert {name: outcome for name, (outcome, _) in verdicts().items()} == {"onnx-w8a8-ptq": "pass"}
    silent = tuple(one.model_copy(update={"npu": ()}) for one in report.artifacts)
    report.model_copy(update={"artifacts": silent}).write(path)
    try:
        (outcome, message) = verdicts()["onnx-w8a8-ptq"]
    finally:
        report.write(path)
    assert outcome == "not measured"
    assert "set npu_images there and run again" in message


def test_a_figure_that_its_flips_deny_is_found(written: tuple[Path, Report]) -> None:
    _, report = written
    assert contradictions(report) == ()
    (artifact,) = [one for one in report.artifacts if one.npu]
    flip = Flip(row=0, label="a", reference="a", artifact="b")
    figures = artifact.npu[0]
    for forged in (
        figures.model_copy(update={"flips": (*figures.flips, flip)}),
        figures.model_copy(update={"of": figures.of + 1}),
    ):
        false = artifact.model_copy(update={"npu": (forged,)})
        others = tuple(false if one.npu else one for one in report.artifacts)
        (said,) = contradictions(report.model_copy(update={"artifacts": others}))
        assert figures.npu in said


def test_without_the_library_the_report_says_what_adds_it(
    job: Job, tmp_path: Path, model_folder: Path, faces_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if "qnn" in name else found(name, *rest)
    )
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    _, report = _run(tmp_path, job, model_folder, faces_folder, "--recipe", "w8a8-ptq")
    figures = next(one.npu[0] for one in report.artifacts if one.npu)
    assert (figures.agreement.reason or "").endswith("pip install 'fer-deploy[npu]'")


def test_no_phone_with_an_npu_is_said(
    job: Job, tmp_path: Path, model_folder: Path, faces_folder: Path
) -> None:
    job.copied(tmp_path / "dist" / model_folder.name)
    config = tmp_path / "fer-deploy.toml"
    text = CONFIG.format(model=model_folder, faces=faces_folder, dist=tmp_path / "dist")
    config.write_text(text.replace('"galaxy-s24", "galaxy-s24-ultra", "galaxy-s21"', '"pixel-8"'))
    result = CliRunner().invoke(main, ["run", "--config", str(config), "--recipe", "w8a8-ptq"])
    assert result.exit_code == 0, result.output
    assert "no device of the run has an NPU that is emulated" in result.stderr
