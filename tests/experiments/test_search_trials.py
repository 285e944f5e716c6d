from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState

from fer_deploy.errors import ConfigError
from fer_deploy.experiments.search_trials import RUNGS, WORKER, SearchTrials
from fixtures.searching import accuracy_of, cost_of, play, played_spec, result_of


@pytest.fixture(params=["journal", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "trials") if request.param == "journal" else f"sqlite:///{tmp_path / 'trials.db'}"


def test_figures_come_back_from_the_storage(storage: str) -> None:
    spec = played_spec()
    play(SearchTrials(spec, storage), 4)
    finished = SearchTrials(spec, storage).finished()
    assert [one.number for one in finished] == sorted(one.number for one in finished)
    assert len({one.candidate for one in finished}) == 4
    for one in finished:
        assert one.cost == cost_of(one.candidate)
        assert one.result == result_of(accuracy_of(one.candidate))


def test_a_search_that_was_stopped_draws_what_a_whole_one_draws(tmp_path: Path) -> None:
    spec = played_spec(candidates=8, random=4)
    whole = SearchTrials(spec, str(tmp_path / "whole"))
    play(whole, 8)
    cut = SearchTrials(spec, str(tmp_path / "cut"))
    with pytest.raises(KeyboardInterrupt):
        play(cut, 8, cut_off_at=3)
    again = SearchTrials(spec, str(tmp_path / "cut"))
    play(again, 8)
    assert [one.candidate for one in again.finished()] == [one.candidate for one in whole.finished()]


def test_what_a_killed_process_had_is_drawn_again(storage: str) -> None:
    spec = played_spec()
    first = SearchTrials(spec, storage)
    lost = first.draw()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lost.trial.set_user_attr(WORKER, lost.trial.user_attrs[WORKER] | {"process": gone.pid})
    second = SearchTrials(spec, storage)
    second.take_over()
    second.take_over()
    assert second.draw().candidate == lost.candidate
    states = [trial.state for trial in second.study.get_trials()]
    assert states == [TrialState.FAIL, TrialState.RUNNING]


def test_what_others_work_on_is_left_to_them(storage: str) -> None:
    spec = played_spec()
    theirs = SearchTrials(spec, storage).draw()
    elsewhere = SearchTrials(spec, storage).draw()
    elsewhere.trial.set_user_attr(WORKER, {"machine": "another", "process": 1, "began": 0.0})
    trials = SearchTrials(spec, storage)
    trials.take_over()
    assert [trial.state for trial in trials.study.get_trials()] == [TrialState.RUNNING] * 2
    assert trials.draw().candidate not in (theirs.candidate, elsewhere.candidate)


def test_the_later_of_two_trials_with_one_candidate_is_the_repeat(tmp_path: Path) -> None:
    spec = played_spec()
    trials, others = (SearchTrials(spec, str(tmp_path / "trials")) for _ in range(2))
    first = trials.draw()
    others.study.enqueue_trial(first.trial.params)
    second = others.draw()
    assert second.candidate != first.candidate, "a repeat is drawn anew"
    assert not trials.is_repeat(first)
    assert sum(trial.state == TrialState.FAIL for trial in trials.study.get_trials()) == 1


def test_a_candidate_over_a_limit_is_pruned_and_not_trained(storage: str) -> None:
    spec = played_spec(limits={"macs": 200_000})
    trials = SearchTrials(spec, storage)
    play(trials, 4)
    over = [trial for trial in trials.study.get_trials() if trial.state == TrialState.PRUNED]
    assert trials.refused() == len(over) > 0
    assert all(trial.constraints["macs"] > 0 and trial.values is None for trial in over)
    assert all((one.cost.macs.value or 0) <= 200_000 for one in trials.finished())


def test_a_space_is_drawn_to_its_last_point(tmp_path: Path) -> None:
    spec = played_spec(candidates=24)
    trials = SearchTrials(spec, str(tmp_path / "trials"))
    play(trials, 24)
    assert len({one.candidate for one in trials.finished()}) == 24
    with pytest.raises(ConfigError, match="found only 24 candidates within its limits"):
        trials.draw()


@pytest.mark.parametrize(("dominators", "stopped"), [(1, True), (2, False)])
def test_a_rung_is_held_against_the_same_rung(tmp_path: Path, dominators: int, stopped: bool) -> None:
    """The first has 0.5 at the rung and 0.9 in the end: one with 0.6 there is better as far as is known."""
    spec = played_spec(pruning={"rungs": [1], "dominators": dominators})
    trials = SearchTrials(spec, str(tmp_path / "trials"))
    whole = trials.draw()
    cost = cost_of(whole.candidate)
    assert trials.keeps_limits(whole, cost)
    assert not trials.is_dominated(whole, cost, 1, 0.5)
    trials.end(whole, cost, result_of(0.9))
    other = trials.draw()
    assert trials.keeps_limits(other, cost)
    assert not trials.is_dominated(other, cost, 1, 0.6)
    assert trials.is_dominated(other, cost, 1, 0.4) is stopped
    trials.end(other, cost, result_of(0.4, stopped_after=1))
    last = trials.study.get_trials()[-1]
    assert last.state == TrialState.PRUNED
    assert last.values is None
    assert last.user_attrs[RUNGS] == {"1": 0.4}
    assert [one.result.stopped_after for one in trials.finished()] == [None, 1]
    assert trials.refused() == 0
    assert [trial.number for trial in trials.study.best_trials] == [whole.trial.number]
