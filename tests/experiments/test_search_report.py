from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.experiments.search_report import SearchReport, render_search
from fer_deploy.experiments.search_schema import load_search
from fer_deploy.experiments.search_storage import JOURNAL
from fer_deploy.experiments.search_trials import SearchTrials
from fer_deploy.measure.measurement import Unit, not_measured
from fixtures.reading import rendered

STUDIES = Path(__file__).resolve().parents[2] / "studies"
COMMITTED = sorted(STUDIES.glob("search*/**/search.json"))


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.parent.name)
def test_a_committed_page_is_what_its_figures_say(file: Path) -> None:
    report = SearchReport.model_validate_json(file.read_bytes())
    assert file.with_name("search.md").read_text() == render_search(report)


def test_the_committed_figures_are_those_of_the_journal(tmp_path: Path) -> None:
    folder = STUDIES / "search_small"
    report = SearchReport.model_validate_json((folder / "search.json").read_bytes())
    copy = tmp_path / JOURNAL
    copy.write_bytes((folder / JOURNAL).read_bytes())
    trials = SearchTrials(load_search(STUDIES / "search_small.toml"), str(copy))
    assert trials.study.study_name == report.study
    assert len(trials.finished()) == len(report.rows)
    figures = {one.candidate.label: (one.result.accuracy, one.cost.macs) for one in trials.finished()}
    assert figures == {row.label: (row.accuracy, row.macs) for row in report.rows}
    assert {tuple(trial.values or ()) for trial in trials.study.best_trials} == {
        (row.accuracy.value, row.macs.value) for row in report.front
    }


def test_stopped_candidates_are_on_no_front() -> None:
    report = SearchReport.model_validate_json(COMMITTED[0].read_bytes())
    first = report.rows[0].model_copy(update={"stopped_after": 1})
    changed = report.model_copy(update={"rows": (*report.rows[1:], first)})
    assert first not in changed.front
    page = render_search(changed)
    assert "of which 1 were stopped early" in page
    assert rendered(page).count("<table>") == 3


def test_an_objective_is_a_figure() -> None:
    row = SearchReport.model_validate_json(COMMITTED[0].read_bytes()).rows[0]
    with pytest.raises(ValueError, match="was not measured"):
        _ = row.model_copy(update={"estimate": not_measured(Unit.MILLISECONDS, "why")}).costs
