import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from fer_deploy.errors import ArtifactError
from fer_deploy.measure.measurement import Interval, Measurement, Provenance, Unit
from fer_deploy.report.schema import Report, load_report


def test_a_written_report_reads_back_equal(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path / "report.json")
    assert load_report(tmp_path / "report.json") == report


def test_a_missing_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nowhere\.json cannot be read"):
        load_report(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"surprise": 1}, "surprise"),
        ({"devices": "none"}, "devices"),
    ],
)
def test_another_schema_is_refused(
    report: Report, tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report.model_dump(mode="json") | change))
    with pytest.raises(ArtifactError, match=rf"not a report of schema 2\.0: {problem}"):
        load_report(path)


def test_an_older_report_is_refused_with_what_to_do(report: Report, tmp_path: Path) -> None:
    document = report.model_dump(mode="json")
    del document["images"], document["origin"]
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document | {"schema_version": "1.0"}))
    with pytest.raises(ArtifactError, match=r"is of schema 1\.0, and .* reads 2\.0: make it again with"):
        load_report(path)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(ArtifactError, match="not a report"):
        load_report(tmp_path / "report.json")


def test_a_report_cannot_be_changed(report: Report) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        report.created = "later"


@pytest.mark.parametrize(
    "figure",
    [
        {"value": None, "provenance": Provenance.MEASURED},
        {"value": 1.0, "provenance": Provenance.NOT_MEASURED, "reason": "why"},
        {"value": None, "provenance": Provenance.NOT_MEASURED},
        {"value": 1.0, "provenance": Provenance.ESTIMATED},
        {"value": 1.0, "provenance": Provenance.EMULATED},
    ],
)
def test_a_figure_that_claims_too_much_is_refused(figure: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Measurement(unit=Unit.MILLISECONDS, **figure)  # type: ignore[arg-type]


def test_an_interval_names_its_method() -> None:
    with pytest.raises(ValidationError):
        Interval(low=0, high=1, method="")


def test_an_artifact_is_referred_to_by_target_and_recipe(report: Report) -> None:
    keys = {one.key for one in report.artifacts}
    assert "onnx-w8a8-ptq" in keys
    assert {figures.artifact for device in report.devices for figures in device.figures} <= keys
