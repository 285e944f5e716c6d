"""``check --against``: artifacts timed beside those of an earlier run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.errors import ArtifactError, ConfigError
from fer_deploy.gate.verdicts import Outcome, Verdict
from fer_deploy.measure.slowdown import ROUND
from fer_deploy.pipeline import against
from fer_deploy.pipeline.against import verdicts_against
from fer_deploy.report.schema import Report, load_report
from fixtures.job import Job

KEY = "onnx-float"


@pytest.fixture
def finished(job: Job, tmp_path: Path) -> Path:
    """The job's report and artifacts, to be changed."""
    return job.copied(tmp_path / "later")


def of_one_artifact(path: Path) -> Report:
    report = load_report(path)
    artifacts = tuple(one for one in report.artifacts if one.key == KEY)
    return report.model_copy(update={"artifacts": artifacts})


def verdict(path: Path, earlier: Path, limit: float = 50) -> Verdict:
    (found,) = verdicts_against(of_one_artifact(path), path, earlier, limit)
    return found


def test_a_copy_is_not_slower(job: Job, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = ROUND.model_copy(update={"min_runs": 100, "min_seconds": 0.0})
    monkeypatch.setattr(against, "ROUND", quick)
    found = verdict(finished, job.output)
    assert (found.figure, found.subject, found.device) == ("slowdown", KEY, "host")
    assert found.outcome is Outcome.PASS, found.message
    assert found.limit == "less than 50 %"
    assert "6 processes with both" in found.message
    assert found.value is not None
    assert found.value.interval is not None


def test_what_the_earlier_run_does_not_hold_is_not_measured(finished: Path, tmp_path: Path) -> None:
    earlier = load_report(finished)
    (tmp_path / "earlier").mkdir()
    earlier.model_copy(update={"artifacts": ()}).write(tmp_path / "earlier" / "report.json")
    found = verdict(finished, tmp_path / "earlier")
    assert found.outcome is Outcome.NOT_MEASURED
    assert found.message == f"{tmp_path / 'earlier' / 'report.json'} holds no {KEY} to compare it with"


def test_another_file_than_the_report_s_is_not_timed(job: Job, finished: Path) -> None:
    artifact = finished.parent / KEY / "artifact.json"
    artifact.write_text(artifact.read_text().replace(of_one_artifact(finished).artifacts[0].sha256, 64 * "0"))
    found = verdict(finished, job.output)
    assert found.outcome is Outcome.NOT_MEASURED
    assert found.value is None


def test_a_device_that_is_not_at_hand_is_not_measured(job: Job, finished: Path) -> None:
    report = of_one_artifact(finished)
    device = report.devices[0].model_copy(update={"name": "pixel-8"})
    (found,) = verdicts_against(report.model_copy(update={"devices": (device,)}), finished, job.output, 5)
    assert found.outcome is Outcome.NOT_MEASURED
    assert found.device == "pixel-8"


def test_the_report_itself_is_no_earlier_one(finished: Path) -> None:
    with pytest.raises(ConfigError, match="the very report that is checked"):
        verdicts_against(of_one_artifact(finished), finished, finished.parent, 5)


def test_where_nothing_was_timed_nothing_is_green(job: Job, finished: Path) -> None:
    report = of_one_artifact(finished)
    (found,) = verdicts_against(report.model_copy(update={"devices": ()}), finished, job.output, 5)
    assert found.outcome is Outcome.NOT_MEASURED
    assert "no timing of any artifact" in found.message


def test_without_an_earlier_report_there_is_nothing_to_say(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="report"):
        verdicts_against(of_one_artifact(finished), finished, tmp_path / "none", 5)


def test_as_many_threads_as_the_report_timed_with(job: Job) -> None:
    latency = of_one_artifact(job.output / "report.json" if job.output.is_dir() else job.output)
    figures = next(one for device in latency.devices for one in device.figures if one.artifact == KEY)
    assert against._protocol(figures.latency_p50).threads == int(figures.latency_p50.conditions["threads"])
    four = figures.latency_p50.model_copy(update={"conditions": {"threads": "4"}})
    assert against._protocol(four).threads == 4
    assert against._protocol(four.model_copy(update={"conditions": {}})) == ROUND
