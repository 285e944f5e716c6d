"""Corruption in a run, in the gate and on the command line, on a real network's own artifacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.report.schema import Report, load_report
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
devices = ["pixel-8"]  # not attached: nothing here is about timing
[corruptions]
images = 10
[budget]
min_corrupted_accuracy = 5
max_corrupted_flips = {flips}
"""


@pytest.fixture(scope="module")
def written(
    job: Job, model_folder: Path, faces_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Report]:
    folder = tmp_path_factory.mktemp("corrupted")
    config = folder / "fer-deploy.toml"
    config.write_text(CONFIG.format(model=model_folder, faces=faces_folder, dist=folder / "dist", flips=50))
    job.copied(folder / "dist" / model_folder.name)  # its artifacts are of the same settings
    result = CliRunner().invoke(main, ["run", "--config", str(config)])
    assert result.exit_code == 0, result.output
    (report,) = (folder / "dist").glob("*/report.json")
    return report, load_report(report)


def test_a_run_has_the_figures_of_every_artifact(written: tuple[Path, Report]) -> None:
    path, report = written
    assert report.float_corrupted is not None
    assert report.float_corrupted.images == 10
    for one in report.artifacts:
        assert one.corrupted is not None
        assert one.corrupted.agreement is not None
        assert (one.corrupted.agreement.value or 0) > 0.8
    (plain,) = [one.corrupted for one in report.artifacts if one.recipe == "float"]
    assert plain is not None
    assert plain.agreement is not None
    assert plain.agreement.value == 1.0
    assert "Under corruption" in path.with_suffix(".md").read_text()
    assert "Under corruption" in path.with_suffix(".html").read_text()


def test_the_gate_holds_them_and_says_where_there_are_none(written: tuple[Path, Report]) -> None:
    path, report = written
    config = path.parents[2] / "fer-deploy.toml"
    passed = CliRunner().invoke(main, ["check", "--config", str(config), "--json"])
    verdicts = {
        (one["figure"], one["subject"]): one["outcome"] for one in json.loads(passed.stdout)["verdicts"]
    }
    assert verdicts["flips under corruption", "onnx-w8a8-ptq"] == "pass"
    assert verdicts["accuracy under corruption", "float model"] == "pass"
    silent = [one.model_copy(update={"corrupted": None}) for one in report.artifacts]
    report.model_copy(update={"artifacts": tuple(silent)}).write(path)
    try:
        held = CliRunner().invoke(main, ["check", "--config", str(config), "--json"])
    finally:
        report.write(path)
    assert held.exit_code != 0
    gone = [one for one in json.loads(held.stdout)["verdicts"] if one["figure"] == "flips under corruption"]
    assert {one["outcome"] for one in gone} == {"not measured"}
    assert "set [corruptions] images and run again" in gone[0]["message"]


def test_evaluate_counts_what_the_run_counted(written: tuple[Path, Report], faces_folder: Path) -> None:
    path, report = written
    data = ["--dataset", "folder", "--data", str(faces_folder), "--corruptions", "--images", "10"]
    artifact = str(path.parent / "onnx-w8a8-ptq")
    arguments = ["evaluate", report.model.source, *data, "--flips-of", artifact]
    found = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert report.float_corrupted is not None
    assert found["model"] == report.float_corrupted.model_dump(mode="json")
    (int8,) = [one.corrupted for one in report.artifacts if one.recipe == "w8a8-ptq"]
    assert int8 is not None
    assert found["artifact"] == int8.model_dump(mode="json")
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0, shown.output
    for words in ("held out", "severity", "same top-1"):
        assert words in shown.output


def test_flips_without_corruptions_name_the_other_command() -> None:
    result = CliRunner().invoke(main, ["evaluate", "models/fer_m", "--flips-of", "x"])
    assert result.exit_code == 2
    assert "on clean images use 'fer-deploy compare'" in result.output
