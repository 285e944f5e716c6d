from __future__ import annotations

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_deploy.experiments.front import dominates, on_front

_POINTS = st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("one", "other", "says"),
    [
        ((-0.8, 5.0), (-0.7, 5.0), True),
        ((-0.8, 5.0), (-0.7, 4.0), False),
        ((-0.8, 5.0), (-0.8, 5.0), False),
        ((-0.8, 6.0), (-0.9, 5.0), False),
    ],
)
def test_dominates(one: tuple[float, ...], other: tuple[float, ...], says: bool) -> None:
    assert dominates(one, other) is says


@given(_POINTS)
@settings(max_examples=40, deadline=None)
def test_the_front_is_optuna_s(points: list[tuple[int, int, int]]) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["minimize"] * 3)
    for point in points:
        study.add_trial(optuna.trial.create_trial(values=[float(one) for one in point]))
    best = {trial.number for trial in study.best_trials}
    assert [number in best for number in range(len(points))] == on_front(
        [tuple(float(one) for one in point) for point in points]
    )
