from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from fer_deploy.errors import ConfigError
from fer_deploy.experiments.search_known import known_trials
from fer_deploy.experiments.search_report import SearchReport
from fer_deploy.experiments.search_schema import load_search
from fer_deploy.experiments.search_trials import SearchTrials

STUDIES = Path(__file__).resolve().parents[2] / "studies"
#: What the evolution trained that searches were made by before Optuna.
EVOLUTION = STUDIES / "search_small" / "evolution" / "search.json"


def test_the_recorded_trials_give_the_front_that_optuna_finds(tmp_path: Path) -> None:
    spec = load_search(STUDIES / "search_small.toml")
    report = SearchReport.model_validate_json(EVOLUTION.read_bytes())
    trials = SearchTrials(spec, str(tmp_path / "trials"))
    known = known_trials(EVOLUTION, spec)
    trials.add(known)
    trials.add(known)
    finished = trials.finished()
    assert [one.candidate.label for one in finished] == [
        row.label for row in sorted(report.rows, key=lambda row: row.order)
    ]
    assert trials.known() == len(finished) == 24
    found = {tuple(trial.values or ()) for trial in trials.study.best_trials}
    assert found == {(row.accuracy.value, row.macs.value) for row in report.front}
    assert report.rows[0] in report.front
    directions = optuna.study.StudyDirection
    assert trials.study.directions == [directions.MAXIMIZE, directions.MINIMIZE]


def test_what_this_search_would_not_draw_is_passed_over() -> None:
    spec = load_search(STUDIES / "search_small.toml")
    narrow = spec.model_copy(update={"space": spec.space.model_copy(update={"size": (32, 40)})})
    tight = narrow.model_copy(update={"limits": spec.limits.model_copy(update={"macs": 6_000_000})})
    counts = [len(known_trials(EVOLUTION, one)) for one in (spec, narrow, tight)]
    assert counts[0] > counts[1] > counts[2] > 0
    assert all((one.cost.macs.value or 0) <= 6e6 for one in known_trials(EVOLUTION, tight))


def broken(tmp_path: Path, change: dict[str, Any]) -> Path:
    path = tmp_path / "search.json"
    path.write_text(json.dumps(json.loads(EVOLUTION.read_text()) | change))
    return path


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"seed": 1}, "another \\[train\\], seed, base"),
        ({"train": {"epochs": 4}}, "another \\[train\\], seed, base"),
        ({"estimate": {"profile": "pixel-8"}}, "another \\[train\\], seed, base or \\[estimate\\]"),
        ({"limits": {"latency_ms": 1.0}}, "has no latency of fer_s"),
    ],
)
def test_figures_of_two_trainings_are_not_mixed(changed: dict[str, Any], says: str) -> None:
    spec = load_search(STUDIES / "search_small.toml")
    other = type(spec).model_validate(spec.model_dump() | changed)
    with pytest.raises(ConfigError, match=says) as caught:
        known_trials(EVOLUTION, other)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rows": 3}, "is not valid: rows"),
        ({"spec": "no toml ["}, "does not say how"),
        ({"spec": ""}, "does not say how"),
    ],
)
def test_a_file_that_is_no_result(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        known_trials(broken(tmp_path, change), load_search(STUDIES / "search_small.toml"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        known_trials(tmp_path / "none.json", load_search(STUDIES / "search_small.toml"))
