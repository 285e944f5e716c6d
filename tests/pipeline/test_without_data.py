"""The main job where there is no data: everything but accuracy on people, and nothing to ship by mistake."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
import tomli_w
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.data.faces import DATA_VARIABLE
from fer_deploy.data.registry import DatasetSpec
from fer_deploy.measure.measurement import Provenance
from fer_deploy.pipeline.calibrate import calibrate
from fer_deploy.pipeline.config import QuantizeSection
from fer_deploy.report.schema import load_report

pytestmark = pytest.mark.usefixtures("one_round", "without_pictures")

SECTION = {"calibration_images": 32}


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def config(model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "nowhere"))
    folder = Path(shutil.copytree(model_folder, tmp_path / "edges"))
    (folder / "card.md").write_text(
        "| figure | Edges |\n| --- | --- |\n| accuracy | 91.0 % [88.0, 93.0] (measured) |\n"
    )
    document = {
        "model": {"path": str(folder)},
        "quantize": SECTION,
        "export": {"output": "out", "targets": ["onnx"]},
        "profile": {"timing": {"min_runs": 5, "min_seconds": 0.0, "warmups": 2}},
        "budget": {"max_flips": 60.0},
    }
    file = tmp_path / "fer-deploy.toml"
    file.write_text(tomli_w.dumps(document))
    return file


def outcomes(config: Path) -> tuple[int, dict[tuple[str, str], str]]:
    result = call("check", "--config", config, "--json")
    verdicts = json.loads(result.stdout)["verdicts"]
    return result.exit_code, {(one["figure"], one["subject"]): one["outcome"] for one in verdicts}


def test_the_whole_job(config: Path) -> None:
    result = call("run", "--config", config)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("accuracy on people is not measured") == 1
    assert "faces drawn by code" in result.stdout
    report = load_report(config.parent / "out" / "edges" / "report.json")
    assert report.images.drawn
    assert report.warnings[0].endswith("edges/card.md has 91.0 % [88.0, 93.0] (measured) on Edges")
    proven = [line for line in report.warnings if "proven on" in line]
    assert len(report.artifacts) > 1
    assert len(proven) == 1, "what holds for every artifact is said once"
    assert proven[0].startswith("every artifact: proven on calibration set of sample (drawn faces)")
    for figures in (report.float_accuracy, *(one.accuracy for one in report.artifacts)):
        for figure in (figures.accuracy, figures.balanced_accuracy, figures.ece, figures.classes[0].recall):
            assert figure.provenance is Provenance.NOT_MEASURED
            assert "tell nothing of people" in (figure.reason or "")
    for one in report.artifacts:
        assert one.parity.agreement.known
        assert one.parity.sqnr.known
        assert not one.parity.drop.known
    assert report.devices[0].figures[0].latency_p50.known
    assert "drawn by code" in (config.parent / "out" / "edges" / "report.html").read_text()
    code, found = outcomes(config)
    assert code == 3
    assert found["calibration", "onnx-w8a8-ptq"] == "fail", "its ranges come from drawn faces"
    assert ("calibration", "onnx-float") not in found
    assert found["counts", "float model"] == "pass"
    assert found["flips", "onnx-float"] == "pass"
    assert found["better than guessing", "float model"] == "not measured"
    again = call("check", "--config", config, "--recompute", "--json")
    assert "the same answers" in again.stdout


def test_a_model_that_carries_its_ranges_lacks_accuracy_only(config: Path, faces_folder: Path) -> None:
    document = tomllib.loads(config.read_text())
    config.write_text(tomli_w.dumps(document | {"profile": {"devices": ["pixel-8"]}}))  # not attached
    data = DatasetSpec(kind="folder", path=faces_folder)
    calibrate(
        config.parent / "edges", data, QuantizeSection(calibration_images=SECTION["calibration_images"])
    )
    result = call("run", "--config", config)
    assert result.exit_code == 0, result.output
    report = load_report(config.parent / "out" / "edges" / "report.json")
    assert report.calibration is not None
    assert (report.calibration.carried, report.calibration.drawn) == (True, False)
    code, found = outcomes(config)
    assert code == 4
    assert {name for name, outcome in found.items() if outcome != "pass"} == {
        ("better than guessing", "float model")
    }


def test_training_does_not_fall_back_to_drawn_faces(config: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "train.toml"
    shutil.copy("studies/votes/fer_xs/train.toml", recipe)
    result = call("train", recipe, "--work-dir", config.parent / "work")
    assert result.exit_code == 2
    assert "FER_DATA names" in result.output
