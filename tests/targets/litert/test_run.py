"""A whole run with LiteRT beside ONNX: report, timing, comparison, answers, gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.measure.measurement import Provenance
from fer_deploy.report.schema import Report, load_report
from fer_deploy.targets.artifact import open_artifact, read_golden
from fixtures.lowered import require_runtime


def command(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, model_folder: Path, faces_folder: Path) -> Path:
    require_runtime("litert")
    folder = tmp_path_factory.mktemp("litert")
    document = {
        "model": {"path": str(model_folder)},
        "data": {"kind": "folder", "path": str(faces_folder)},
        "quantize": {"calibration_images": 32},
        "export": {"targets": ["onnx", "litert"], "output": "out"},
        "profile": {"timing": {"min_runs": 20, "min_seconds": 0.0, "warmups": 2}},
        "budget": {"min_target_agreement": 0.5},
    }
    (folder / "fer-deploy.toml").write_text(tomli_w.dumps(document))
    command("run", "--config", folder / "fer-deploy.toml")
    return folder / "fer-deploy.toml"


@pytest.fixture(scope="module")
def dist(config: Path, model_folder: Path) -> Path:
    return config.parent / "out" / model_folder.name


@pytest.fixture(scope="module")
def report(dist: Path) -> Report:
    return load_report(dist / "report.json")


def test_the_report_holds_it_like_any_other(report: Report) -> None:
    found = {artifact.key: artifact for artifact in report.artifacts}
    for key in ("litert-float", "litert-w8a8-ptq"):
        artifact = found[key]
        assert artifact.accuracy.accuracy.provenance is Provenance.MEASURED
        assert artifact.parity.agreement.provenance is Provenance.MEASURED
        assert artifact.delegation.share.value == 1.0
    layers = found["litert-w8a8-ptq"].layers
    assert [layer.name for layer in layers] == [layer.name for layer in report.graphs[0].layers]
    pairs = {(pair.first, pair.second) for pair in report.between_targets}
    assert pairs == {("onnx", "litert")}
    assert report.versions["ai-edge-litert"]


def test_it_is_timed_in_a_process_of_its_own(report: Report) -> None:
    (device,) = report.devices
    mine = [figures for figures in device.figures if figures.artifact.startswith("litert")]
    assert len(mine) == 2
    for figures in mine:
        assert figures.latency_p50.provenance is Provenance.MEASURED, figures.latency_p50.reason
        assert figures.runtime.startswith("LiteRT XNNPACK 2.")
        assert figures.layers_reason is not None


def test_what_an_app_reads(dist: Path) -> None:
    artifact = open_artifact(dist / "litert-w8a8-ptq")
    assert artifact.file.name == "model.tflite"
    assert artifact.info.lowering["schema"] == "TFL3"
    assert artifact.proof is not None
    assert artifact.proof.contract == "lossy"
    golden = read_golden(artifact)
    assert golden.reference == "LiteRT XNNPACK, on this machine"


def test_commands(dist: Path, config: Path, faces_folder: Path) -> None:
    picture = next(path for path in sorted(faces_folder.rglob("*.png")))
    answers = [
        json.loads(command("predict", "--artifact", dist / f"{name}-float", picture, "--json").stdout)
        for name in ("litert", "onnx")
    ]
    mine, theirs = ({one["label"]: one["logit"] for one in answer["classes"]} for answer in answers)
    assert mine == pytest.approx(theirs, abs=1e-4)
    data = ("--dataset", "folder", "--data", faces_folder)
    assert "litert" in command("evaluate", dist / "litert-w8a8-ptq", *data).stdout
    compared = json.loads(
        command("compare", dist / "litert-float", dist / "litert-w8a8-ptq", *data, "--json").stdout
    )
    assert compared["layers"]
    command("check", "--config", config, dist / "report.json")
