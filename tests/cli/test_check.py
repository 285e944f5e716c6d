"""`check`, `baseline` and `report` on a finished job: exit codes, files, flags."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.report.schema import load_report
from fixtures.job import Job

pytestmark = pytest.mark.usefixtures("without_pictures")

FINE = ("--max-accuracy-drop", "50", "--accept", "measured", "--accept", "emulated")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def report(job: Job, tmp_path: Path) -> Path:
    return job.copied(tmp_path / "out" / job.output.name)


def test_exit_codes(report: Path) -> None:
    assert call("check", report, *FINE).exit_code == 0
    assert call("check", report, *FINE, "--max-size-kb", "1").exit_code == 3
    assert call("check", report, *FINE, "--max-p90-ms", "100000").exit_code in (0, 4), (
        "4 where Core ML is not timed"
    )
    assert call("check", report, "--max-accuracy-drop", "50").exit_code in (0, 4), (
        "4 where Core ML is emulated"
    )
    assert call("check", report, "--max-accuracy-drop", "-1").exit_code == 2
    assert call("check", report, "--accept", "guessed").exit_code == 2
    nothing = call("check", report)
    assert nothing.exit_code == 2
    assert "nothing to check" in nothing.output
    assert call("check").exit_code == 2
    assert call("check", "none.json", *FINE).exit_code == 2


def test_against_an_earlier_run(report: Path, tmp_path: Path) -> None:
    """Here the earlier run holds no artifact; how they are timed is tested in tests/pipeline/test_against.py."""
    (tmp_path / "earlier").mkdir()
    earlier = load_report(report).model_copy(update={"artifacts": ()})
    earlier.write(tmp_path / "earlier" / "report.json")
    result = call("check", report, "--against", tmp_path / "earlier", "--json")
    assert result.exit_code == 4, result.output
    slowdowns = [one for one in json.loads(result.stdout)["verdicts"] if one["figure"] == "slowdown"]
    assert {one["subject"] for one in slowdowns} >= {"onnx-float", "executorch-w8a8-ptq"}
    said = {one["subject"]: one["message"] for one in slowdowns}
    assert all("to compare it with" in said[key] for key in ("onnx-float", "executorch-w8a8-ptq"))
    assert all(one["outcome"] == "not measured" for one in slowdowns)
    alone = call("check", report, *FINE, "--max-slowdown", "3")
    assert alone.exit_code == 2
    assert "name an earlier report by --against" in alone.output
    assert call("check", report, "--against", tmp_path / "none").exit_code == 2


def test_what_it_writes(report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = call(
        "check", report, *FINE, "--max-size-kb", "1", "--junit", tmp_path / "ci" / "junit.xml", "--github"
    )
    assert "::error title=size" in result.output
    (suite,) = ElementTree.parse(tmp_path / "ci" / "junit.xml").getroot()
    assert int(suite.get("failures", "0")) > 0
    assert summary.read_text().startswith("before\n## Verdicts")
    check = json.loads((report.parent / "check.json").read_text())
    assert {one["outcome"] for one in check["verdicts"]} >= {"pass", "fail"}
    assert "Verdicts" in (report.parent / "report.md").read_text(encoding="utf-8")


def test_the_configuration_says_what_and_flags_override(job: Job) -> None:
    config = job.config.with_name("budget.toml")
    config.write_text(
        job.config.read_text() + "\n[budget]\nmax_size_kb = 1\naccept = ['measured', 'emulated']\n"
    )
    assert call("check", "--config", config).exit_code == 3
    assert call("check", "--config", config, "--max-size-kb", "100000").exit_code == 0
    config.write_text(
        config.read_text() + "\n[[waiver]]\nfigure = 'size'\nuntil = 2999-01-01\nreason = 'soon'\n"
    )
    waived = call("check", "--config", config)
    assert waived.exit_code == 0
    assert "waived until 2999-01-01" in waived.output
    config.write_text(config.read_text().replace("2999", "1999"))
    ended = call("check", "--config", config)
    assert ended.exit_code == 3
    assert "has ended" in ended.output


def test_the_ratchet(report: Path, tmp_path: Path) -> None:
    assert call("baseline", report).exit_code == 0
    reference = tmp_path / "fer-deploy.reference.json"
    assert "samples" in reference.read_text()
    assert call("check", report).exit_code == 0, "the reference is found and is budget enough"
    document = json.loads(reference.read_text())
    document["artifacts"][0]["size"]["value"] /= 2
    reference.write_text(json.dumps(document))
    worse = call("check", report)
    assert worse.exit_code == 3
    assert "size against the reference" in worse.output
    changed = call("report", reference, report)
    assert changed.exit_code == 0
    assert "regression: size" in changed.output
    assert json.loads(call("report", reference, report, "--json").stdout)[0]["kind"] == "regression"
    assert "No figure differs" in call("report", report, report).output


def test_a_reference_vouches_for_files(report: Path) -> None:
    file = report.parent / "onnx-float" / "model.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    result = call("baseline", report)
    assert result.exit_code == 2
    assert "is no reference" in result.output
    assert not Path("fer-deploy.reference.json").exists()


def test_report_prints_all_tables_and_its_schema(report: Path) -> None:
    assert "Recall per class" in call("report", report).output
    schema = json.loads(call("report", "--schema").stdout)
    assert schema["title"] == "Report"
    assert set(json.loads(report.read_text())) <= set(schema["properties"])
    assert call("report").exit_code == 2
