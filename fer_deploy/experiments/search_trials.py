"""A search's trials in Optuna's storage: what is drawn, what became of it, and what several processes know of it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_deploy.errors import ConfigError
from fer_deploy.experiments.front import Costs, dominates
from fer_deploy.experiments.search_cost import CandidateCost
from fer_deploy.experiments.search_schema import OPTIONS, Candidate, SearchSpec
from fer_deploy.experiments.search_storage import open_study, reached, require_optuna
from fer_deploy.experiments.search_worker import is_gone, this_worker
from fer_deploy.frozen import Frozen
from fer_deploy.measure.measurement import Measurement

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

#: User attributes of a trial. Rungs: epochs, as text, to accuracy.
COST, RESULT, RUNGS = "cost", "result", "rungs"
WORKER, KNOWN = "worker", "known"
#: Draws in a row that may repeat a candidate before one that nobody has drawn is taken instead.
_MOST_REPEATS = 10


class ProxyResult(Frozen):
    """What the short training of a candidate gave."""

    accuracy: Measurement
    seconds: float
    stopped_after: int | None = None


@dataclass(frozen=True)
class FinishedTrial:
    """A candidate that was trained, in full or up to a rung."""

    number: int
    candidate: Candidate
    cost: CandidateCost
    result: ProxyResult


@dataclass(frozen=True)
class Draw:
    """A candidate that this process is to train."""

    trial: Trial
    candidate: Candidate


def objectives(accuracy: float, cost: CandidateCost) -> tuple[float, ...]:
    """Return a trial's values as the study has them: accuracy, multiply-accumulates, and the estimate if asked for."""
    figures = [one.value for one in (cost.macs, cost.estimate) if one is not None]
    return (accuracy, *(value for value in figures if value is not None))


class SearchTrials:
    """The trials of one search, in a storage that other processes and machines may write to at the same time."""

    def __init__(self, spec: SearchSpec, storage: str) -> None:
        require_optuna()
        from fer_deploy.experiments.search_sampler import SearchSampler

        self.spec, self.storage = spec, storage
        self.study = open_study(spec, storage, SearchSampler(spec.seed, spec.random))

    def finished(self) -> list[FinishedTrial]:
        """Return every candidate that was trained, in the order of their trials."""
        from optuna.trial import TrialState

        return [
            FinishedTrial(
                trial.number,
                self.spec.space.candidate({option: trial.params[option] for option in OPTIONS}),
                CandidateCost.model_validate(trial.user_attrs[COST]),
                ProxyResult.model_validate(trial.user_attrs[RESULT]),
            )
            for trial in self._of((TrialState.COMPLETE, TrialState.PRUNED))
            if RESULT in trial.user_attrs
        ]

    def add(self, known: list[FinishedTrial]) -> None:
        """Add what was trained in full before there was this study, but for candidates that it has already."""
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import create_trial

        spaces: dict[str, BaseDistribution] = {
            option: CategoricalDistribution(self.spec.space.values(option)) for option in OPTIONS
        }
        here = {one.candidate for one in self.finished()}
        for one in known:
            if one.candidate in here or one.result.accuracy.value is None:
                continue
            trial = create_trial(
                params={option: one.candidate.chosen(option) for option in OPTIONS},
                distributions=spaces,
                values=objectives(one.result.accuracy.value, one.cost),
                user_attrs={
                    COST: one.cost.model_dump(mode="json"),
                    RESULT: one.result.model_dump(mode="json"),
                    KNOWN: True,
                },
                constraints=one.cost.excess(self.spec),
            )
            with reached(self.storage):
                self.study.add_trial(trial)

    def known(self) -> int:
        """Return how many candidates were trained before there was this study."""
        return sum(KNOWN in trial.user_attrs for trial in self._of(None))

    def refused(self) -> int:
        """Return how many candidates were drawn and cost too much."""
        from optuna.trial import TrialState

        return sum(RESULT not in trial.user_attrs for trial in self._of((TrialState.PRUNED,)))

    def draw(self) -> Draw:
        """Return a candidate that no trial has or had.

        Raises:
            ConfigError: every point of the space was drawn.
        """
        for repeats in itertools.count():
            if repeats >= _MOST_REPEATS:
                self._enqueue_unseen()
            with reached(self.storage):
                trial = self.study.ask()
                trial.set_user_attr(WORKER, this_worker())
                values = {
                    option: trial.suggest_categorical(option, self.spec.space.values(option))
                    for option in OPTIONS
                }
            draw = Draw(trial, self.spec.space.candidate(values))
            if not self.is_repeat(draw):
                return draw
            self.drop_repeat(draw)
        raise AssertionError

    def is_repeat(self, draw: Draw) -> bool:
        """Whether another trial has the same candidate: a finished one, or one under way that was first."""
        from optuna.trial import TrialState

        return any(
            trial.params == draw.trial.params
            and (trial.state != TrialState.RUNNING or trial.number < draw.trial.number)
            for trial in self._known()
            if trial.number != draw.trial.number
        )

    def drop_repeat(self, draw: Draw) -> None:
        """End a trial whose candidate another one has."""
        from optuna.trial import TrialState

        from fer_deploy.experiments.search_sampler import REPEATED

        with reached(self.storage):
            draw.trial.set_user_attr(REPEATED, True)
            self.study.tell(draw.trial, state=TrialState.FAIL)

    def keeps_limits(self, draw: Draw, cost: CandidateCost) -> bool:
        """Store what a candidate costs, and end its trial as pruned where that is over a limit."""
        from optuna.trial import TrialState

        excess = cost.excess(self.spec)
        with reached(self.storage):
            draw.trial.set_user_attr(COST, cost.model_dump(mode="json"))
            for name, share in excess.items():
                draw.trial.set_constraint(name, share)
            if any(share > 0 for share in excess.values()):
                self.study.tell(draw.trial, state=TrialState.PRUNED)
                return False
        return True

    def is_dominated(self, draw: Draw, cost: CandidateCost, epochs: int, accuracy: float) -> bool:
        """Store the accuracy at a rung, and say whether whole trainings were no worse there in every objective.

        Optuna prunes by one objective only. Here the figures at the rung are held against those that the whole
        trainings had at the same rung: never against what they came to in the end.
        """
        from optuna.trial import TrialState

        assert self.spec.pruning is not None
        with reached(self.storage):
            seen = draw.trial.user_attrs.get(RUNGS, {}) | {str(epochs): accuracy}
            draw.trial.set_user_attr(RUNGS, seen)
        mine = _as_costs(objectives(accuracy, cost))
        others = [
            _as_costs((trial.user_attrs[RUNGS][str(epochs)], *trial.values[1:]))
            for trial in self._of((TrialState.COMPLETE,))
            if str(epochs) in trial.user_attrs.get(RUNGS, {})
        ]
        return sum(dominates(one, mine) for one in others) >= self.spec.pruning.dominators

    def end(self, draw: Draw, cost: CandidateCost, result: ProxyResult) -> None:
        """Store what a training gave, in full or up to a rung."""
        from optuna.trial import TrialState

        assert result.accuracy.value is not None
        with reached(self.storage):
            draw.trial.set_user_attr(RESULT, result.model_dump(mode="json"))
            if result.stopped_after is None:
                self.study.tell(draw.trial, list(objectives(result.accuracy.value, cost)))
            else:
                self.study.tell(draw.trial, state=TrialState.PRUNED)

    @contextlib.contextmanager
    def given_back(self, draw: Draw) -> Iterator[None]:
        """Give the candidate to whoever draws next if the block does not come to its end."""
        try:
            yield
        except BaseException:
            # the storage may be what failed: the reason is told, and the next call finds the trial without a process
            with contextlib.suppress(Exception):
                self._give_again(self.study.get_trials(deepcopy=False)[draw.trial.number])
            raise

    def take_over(self) -> None:
        """Give again what processes of this machine were cut off in."""
        from optuna.trial import TrialState

        for trial in self._of((TrialState.RUNNING,)):
            if WORKER in trial.user_attrs and is_gone(trial.user_attrs[WORKER]):
                self._give_again(trial)

    def _give_again(self, trial: FrozenTrial) -> None:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        from fer_deploy.experiments.search_sampler import CUT_OFF

        with reached(self.storage), contextlib.suppress(UpdateFinishedTrialError, ValueError):
            # fails where another process was first, which then gives it again
            self.study.tell(trial.number, state=TrialState.FAIL)
            if set(trial.params) == set(OPTIONS):
                self.study.enqueue_trial(trial.params, user_attrs={CUT_OFF: trial.number})

    def _enqueue_unseen(self) -> None:
        """Have a point drawn next that no trial has; the sampler has little left to choose from."""
        from optuna.trial import TrialState

        from fer_deploy.experiments.search_sampler import place_of

        values = [self.spec.space.values(option) for option in OPTIONS]
        seen = {tuple(trial.params[option] for option in OPTIONS) for trial in self._known()}
        unseen = [point for point in itertools.product(*values) if point not in seen]
        if not unseen:
            raise ConfigError(
                f"search '{self.spec.name}' found only {len(self.finished())} candidates within its limits; "
                "widen the space or the limits, or ask for fewer candidates"
            )
        if self._of((TrialState.WAITING,)):
            return
        trials = self._of(None)
        place = place_of(len(trials), trials)
        chosen = unseen[int(np.random.default_rng([self.spec.seed, place]).integers(len(unseen)))]
        with reached(self.storage):
            self.study.enqueue_trial(dict(zip(OPTIONS, chosen, strict=True)))

    def _known(self) -> list[FrozenTrial]:
        """Return the trials whose candidate is settled: finished, or under way with all its options."""
        from optuna.trial import TrialState

        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        return [trial for trial in self._of(states) if set(trial.params) == set(OPTIONS)]

    def _of(self, states: Any) -> list[FrozenTrial]:
        with reached(self.storage):
            return self.study.get_trials(deepcopy=False, states=states)


def _as_costs(values: tuple[float, ...]) -> Costs:
    return (-values[0], *values[1:])
