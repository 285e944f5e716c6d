"""``fer-deploy search``: candidates drawn by Optuna, with short trainings as proxies of long ones."""

from __future__ import annotations

import datetime
import importlib.metadata
from pathlib import Path

import numpy as np

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import open_dataset
from fer_deploy.devices.profile import load_profile
from fer_deploy.experiments.search_cost import CandidateCost, candidate_cost
from fer_deploy.experiments.search_report import Effect, SearchReport, SearchRow
from fer_deploy.experiments.search_schema import OPTIONS, Candidate, Option, SearchSpec, option_text
from fer_deploy.experiments.search_trials import Draw, FinishedTrial, ProxyResult, SearchTrials
from fer_deploy.measure.counted import proportion
from fer_deploy.measure.measurement import Measurement, Unit, measured
from fer_deploy.measure.statistics import wilson_interval
from fer_deploy.model import load_model
from fer_deploy.progress import say
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.targets.artifact import tool_versions


class Searcher:
    """One search in one work folder, with one folder per candidate; what came of each is in its storage."""

    def __init__(self, spec: SearchSpec, work_dir: Path, storage: str, device: str = "cpu") -> None:
        self.spec, self.work_dir, self.device = spec, work_dir, device
        self.trials = SearchTrials(spec, storage)
        self._splits: dict[int, tuple[Faces, Faces]] = {}

    def run(self, command: str) -> SearchReport:
        """Train candidates until the search has as many as it asks for, and return them ranked.

        Other processes may work on the same storage: what they trained counts, and is in the report.

        Args:
            command: printed in the report.

        Raises:
            ConfigError: too few candidates keep the limits.
            TrainingError, DataError: a candidate cannot be trained.
            OutputError: the storage cannot be reached any more.
        """
        self.trials.take_over()
        while (done := len(self.trials.finished())) < self.spec.candidates:
            draw = self.trials.draw()
            with self.trials.given_back(draw):
                self._try(draw, done + 1)
        return self._report(command)

    def _try(self, draw: Draw, number: int) -> None:
        """Bring one trial to its end: over a limit, drawn elsewhere too, stopped at a rung, or trained."""
        candidate = draw.candidate
        cost = candidate_cost(self.spec, candidate, self._faces(candidate)[0], self._folder(candidate))
        if self.trials.is_repeat(draw):  # drawn at the same moment by another process
            self.trials.drop_repeat(draw)
            return
        if cost.estimate is not None and not cost.estimate.known:
            say(f"passed over {candidate.label}: {cost.estimate.reason}")
        if self.trials.keeps_limits(draw, cost):
            say(f"candidate {number} of {self.spec.candidates}: {candidate.label}")
            result = self._proxy(draw, cost)
            if result.stopped_after is not None:
                say(f"stopped after epoch {result.stopped_after}: others were no worse in every objective")
            self.trials.end(draw, cost, result)

    def _proxy(self, draw: Draw, cost: CandidateCost) -> ProxyResult:
        """Return the candidate's short training; one that was cut off goes on from its checkpoint."""
        from fer_deploy.train.loop import AfterEpoch
        from fer_deploy.train.run import train_on

        class Stopped(Exception):
            """The training ends at a rung."""

            def __init__(self, at: AfterEpoch) -> None:
                self.at = at

        rungs = self.spec.pruning.rungs if self.spec.pruning else ()

        def watch(at: AfterEpoch) -> None:
            if at.epochs in rungs and self.trials.is_dominated(draw, cost, at.epochs, at.accuracy):
                raise Stopped(at)

        recipe, folder = self.spec.recipe(draw.candidate), self._folder(draw.candidate)
        training, validation = self._faces(draw.candidate)
        try:
            trained = train_on(recipe, training, validation, folder, folder / "model", self.device, watch)
        except Stopped as stopped:
            return ProxyResult(
                accuracy=_accuracy(stopped.at.accuracy, len(validation)),
                seconds=stopped.at.seconds,
                stopped_after=stopped.at.epochs,
            )
        logits = float_graph(load_model(folder / "model")).logits(validation.pixels, "validating")
        accuracy = proportion(logits.argmax(axis=1) == validation.targets)
        return ProxyResult(accuracy=accuracy, seconds=trained.seconds)

    def _folder(self, candidate: Candidate) -> Path:
        return self.work_dir / candidate.label.replace(" ", "-")

    def _faces(self, candidate: Candidate) -> tuple[Faces, Faces]:
        if candidate.size not in self._splits:
            recipe = self.spec.recipe(candidate)
            training = open_dataset(recipe.data, "train", None, recipe.input)
            validation = open_dataset(recipe.data, "validation", training.labels, recipe.input)
            self._splits[candidate.size] = (training, validation)
        return self._splits[candidate.size]

    def _report(self, command: str) -> SearchReport:
        done = self.trials.finished()
        ranked = sorted(done, key=lambda one: (one.result.stopped_after is not None, -_value(one)))
        whole = [one for one in done if one.result.stopped_after is None]
        validation = self._faces(ranked[0].candidate)[1]
        return SearchReport(
            name=self.spec.name,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            command=command,
            versions=tool_versions() | {"optuna": importlib.metadata.version("optuna")},
            host=load_profile("host").soc,
            validation=validation.name,
            study=self.trials.study.study_name,
            spec=_text(self.spec),
            refused=self.trials.refused(),
            known=self.trials.known(),
            hours=sum(one.result.seconds for one in done) / 3600,
            rows=tuple(_row(one, done.index(one) + 1) for one in ranked),
            effects=tuple(_effect(self.spec, option, whole) for option in OPTIONS),
        )


def _value(one: FinishedTrial) -> float:
    assert one.result.accuracy.value is not None
    return one.result.accuracy.value


def _accuracy(share: float, images: int) -> Measurement:
    """Return the accuracy that a training told of an epoch as :func:`proportion` gives that of its end."""
    return measured(share, Unit.FRACTION, wilson_interval(round(share * images), images), {"images": images})


def _row(one: FinishedTrial, order: int) -> SearchRow:
    return SearchRow(
        label=one.candidate.label,
        options={option: one.candidate.value(option) for option in OPTIONS},
        parameters=one.cost.parameters,
        macs=one.cost.macs,
        latency=one.cost.latency,
        estimate=one.cost.estimate,
        accuracy=one.result.accuracy,
        stopped_after=one.result.stopped_after,
        order=order,
    )


def _effect(spec: SearchSpec, option: Option, whole: list[FinishedTrial]) -> Effect:
    """Return what an option explains: the share of the accuracies' variance that lies between its values.

    Main effects over candidates that the search chose: an indication, not an experiment with equal cells.
    """
    accuracy = np.array([_value(one) for one in whole])
    groups: dict[str, list[float]] = {}
    for one in whole:
        groups.setdefault(one.candidate.value(option), []).append(_value(one))
    total = float(np.square(accuracy - accuracy.mean()).sum())
    between = sum(len(group) * float(np.mean(group) - accuracy.mean()) ** 2 for group in groups.values())
    ordered = [option_text(value) for value in spec.space.values(option)]
    return Effect(
        option=option,
        share=between / total if total else 0.0,
        means={name: float(np.mean(groups[name])) for name in ordered if name in groups},
        counts={name: len(groups[name]) for name in ordered if name in groups},
    )


def _text(spec: SearchSpec) -> str:
    import tomlkit

    # without the data's path, which is this machine's own, and without null, which TOML has no word for
    table = spec.model_dump(mode="json", exclude_none=True, exclude={"train": {"data": {"path"}}})
    for option in OPTIONS:
        if table["space"][option] == [None]:
            del table["space"][option]
    return tomlkit.dumps(table)
