"""Every figure under corruption is in the section, and nothing is where nobody asked."""

from __future__ import annotations

from fer_deploy.data.corruptions import CORRUPTIONS
from fer_deploy.views.sections.corruption import (
    AGREEMENT,
    accuracy_by_kind,
    agreement_by_kind,
    corruption,
    kinds_table,
    summary_table,
)
from fixtures.sample_report import PLAIN_LABELS, sample_report


def test_no_section_where_nobody_asked() -> None:
    report = sample_report(PLAIN_LABELS)
    artifacts = tuple(one.model_copy(update={"corrupted": None}) for one in report.artifacts)
    silent = report.model_copy(update={"float_corrupted": None, "artifacts": artifacts})
    assert corruption(silent, None) is None


def test_every_model_that_was_asked_has_its_row_and_columns() -> None:
    report = sample_report(PLAIN_LABELS)
    asked = [one.key for one in report.artifacts if one.corrupted is not None]
    assert len(asked) == len(report.artifacts) - 1
    assert [name for name, _ in summary_table(report).rows] == ["float model", *asked]
    accuracy, agreement = accuracy_by_kind(report), agreement_by_kind(report)
    assert [name for name, _ in accuracy.rows] == [name for name, _ in agreement.rows] == list(CORRUPTIONS)
    assert accuracy.columns == ("in training", "float model", *asked)
    assert agreement.columns == tuple(asked)
    (first,) = [one for one in report.artifacts if one.key == asked[0]]
    assert first.corrupted is not None
    for place, (_, cells) in enumerate(agreement.rows):
        assert cells[0] == first.corrupted.kinds[place].agreement


def test_one_models_table_has_its_severities_and_its_means_first() -> None:
    report = sample_report(PLAIN_LABELS)
    assert report.float_corrupted is not None
    table = kinds_table(report.float_corrupted)
    assert table.columns == ("in training", "severity 1", "severity 2", "severity 3", "mean")
    assert [name for name, _ in table.rows][:4] == [
        "none",
        "mean of all",
        "mean of those held out",
        "gaussian_noise",
    ]
    (compared, *_) = [one.corrupted for one in report.artifacts if one.corrupted is not None]
    assert kinds_table(compared).columns[-1] == AGREEMENT
    assert kinds_table(compared).rows[3][1][-1] == compared.kinds[0].agreement
