"""How candidates are drawn: Optuna's TPE over all options at once, seeded anew for each trial.

Imported in functions only: Optuna, of which this is a part, is an extra.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

#: Marks of a trial that is one cut off and given again, and of one whose candidate another trial has.
CUT_OFF, REPEATED = "cut off", "repeated"
#: Draws that TPE compares, to take the best: fewer and fewer as long as it only repeats what is known, down to one,
#: which is a plain draw from where the good ones are.
_COMPARED = 24


def place_of(number: int, trials: Sequence[FrozenTrial]) -> int:
    """Return how many trials there would be before the one of this number if none had been cut off."""
    return sum(one.number < number and CUT_OFF not in one.user_attrs for one in trials)


def _repeats(number: int, trials: Sequence[FrozenTrial]) -> int:
    """Return how many trials right before the one of this number were repeats."""
    before = sorted((one for one in trials if one.number < number), key=lambda one: -one.number)
    return sum(1 for _ in itertools.takewhile(lambda one: REPEATED in one.user_attrs, before))


class SearchSampler(BaseSampler):
    """Multi-objective TPE whose draws follow from the search's seed, the trial's place and the trials before it.

    One generator for all of a process's draws would make a search that is taken up again, or a second machine,
    draw the first trials once more.
    """

    def __init__(self, seed: int, random: int) -> None:
        self._seed, self._random = seed, random
        self._inner: BaseSampler = TPESampler()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Take the sampler that this trial is drawn by."""
        others = study.get_trials(deepcopy=False)
        place = place_of(trial.number, others)
        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        trained = sum(one.state in ended and _within_limits(one) for one in others)
        self._inner = TPESampler(
            seed=int(np.random.SeedSequence([self._seed, place]).generate_state(1)[0]),
            # what was refused for its costs says nothing of accuracy, and does not count as a start
            n_startup_trials=0 if trained >= self._random else len(others) + 1,
            n_ei_candidates=max(1, _COMPARED >> _repeats(trial.number, others)),
            multivariate=True,
        )

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return what is drawn together."""
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return what is drawn together."""
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return an option that is drawn alone, as all are at the start."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Tell the sampler how the trial ended."""
        self._inner.after_trial(study, trial, state, values)


def _within_limits(trial: FrozenTrial) -> bool:
    return all(value <= 0 for value in trial.constraints.values())
