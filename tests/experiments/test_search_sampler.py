from __future__ import annotations

from pathlib import Path

from fer_deploy.experiments.search_trials import SearchTrials
from fixtures.searching import play, played_spec


def test_two_processes_do_not_draw_the_same(tmp_path: Path) -> None:
    spec = played_spec()
    one, other = (SearchTrials(spec, str(tmp_path / "trials")) for _ in range(2))
    draws = [one.draw(), other.draw(), one.draw(), other.draw()]
    assert len({draw.candidate for draw in draws}) == 4


def test_the_seed_decides(tmp_path: Path) -> None:
    candidates = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        trials = SearchTrials(played_spec(seed=seed, candidates=6), str(tmp_path / name))
        play(trials, 6)
        candidates.append([one.candidate for one in trials.finished()])
    assert candidates[0] == candidates[1] != candidates[2]


def test_after_the_start_it_learns_what_is_worth_drawing(tmp_path: Path) -> None:
    """Of two options that cost nothing here, one is better: draws that only the start made would be halves."""
    spec = played_spec(
        candidates=24,
        random=8,
        space={
            "base": "fer_xs",
            "width": [0.25 + 0.05 * step for step in range(20)],
            "activation": ["relu6", "relu"],
            "depth": [0.5, 0.75, 1.0, 1.25, 1.5],
        },
    )
    trials = SearchTrials(spec, str(tmp_path / "trials"))
    play(trials, 24)
    later = [one.candidate.architecture.activation for one in trials.finished()[8:]]
    assert later.count("relu") > 8


def test_what_is_refused_is_no_start(tmp_path: Path) -> None:
    """The sampler takes over when as many were trained as the file says, however many cost too much."""
    spec = played_spec(candidates=6, random=4, limits={"macs": 200_000})
    trials = SearchTrials(spec, str(tmp_path / "trials"))
    play(trials, 6)
    drawn_together = [
        any(key.startswith("tpe:relative_params") for key in trial.system_attrs)
        for trial in trials.study.get_trials()
        if not trial.system_attrs.get("fixed_params")
    ]
    finished = trials.finished()
    assert not any(drawn_together[: finished[3].number])
    assert all(drawn_together[finished[3].number + 1 :])
