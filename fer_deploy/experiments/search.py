"""``fer-deploy search``: regularised evolution over a space of architectures, with short trainings as proxies.

Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019: a population of the
youngest, parents by tournament, one mutation a child. What is drawn depends on the search's seed and the
candidates' accuracies alone, and both are kept: a search that was stopped draws the same again and reads the
accuracies back.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_deploy.contract import Contract, InputSpec, TrainedOn
from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import open_dataset
from fer_deploy.devices.profile import load_profile
from fer_deploy.errors import ConfigError
from fer_deploy.experiments.search_schema import (
    OPTIONS,
    Candidate,
    Effect,
    Option,
    SearchReport,
    SearchRow,
    SearchSpec,
    option_text,
)
from fer_deploy.experiments.study import host_latencies, int8_artifact
from fer_deploy.files import write_atomic
from fer_deploy.frozen import Frozen
from fer_deploy.measure.counted import proportion
from fer_deploy.measure.measurement import Measurement, Unit, measured
from fer_deploy.model import Model, count_parameters, load_model
from fer_deploy.pipeline.export import calibration_for
from fer_deploy.progress import say
from fer_deploy.quantize.costs import graph_costs
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.targets.artifact import tool_versions

_COST_FILE, _RUN_FILE = "cost.json", "run.json"
#: Draws in a row that may break a limit or repeat a candidate before the search is given up as too narrow.
_MOST_DRAWS = 500
_CALIBRATION_IMAGES = 64


class _Cost(Frozen):
    """``cost.json``: what a candidate costs, known before it is trained."""

    parameters: Measurement
    macs: Measurement
    latency: Measurement | None


class _ProxyRun(Frozen):
    """``run.json``: a candidate's accuracy, and the recipe text it was trained with."""

    recipe: str
    accuracy: Measurement
    seconds: float


@dataclass(frozen=True)
class _Trained:
    candidate: Candidate
    cost: _Cost
    run: _ProxyRun

    @property
    def accuracy(self) -> float:
        assert self.run.accuracy.value is not None
        return self.run.accuracy.value


class Searcher:
    """One search in one work folder, with one folder per candidate."""

    def __init__(self, spec: SearchSpec, work_dir: Path, device: str = "cpu") -> None:
        self.spec, self.work_dir, self.device = spec, work_dir, device
        self._random = np.random.default_rng(spec.seed)
        self._costs: dict[Candidate, _Cost] = {}
        self._splits: dict[int, tuple[Faces, Faces]] = {}
        self._trained: list[_Trained] = []
        self._refused: set[Candidate] = set()

    def run(self, command: str) -> SearchReport:
        """Train the search's candidates and return them ranked; ``command`` is printed in the report.

        Raises:
            ConfigError: too few candidates keep the limits, or a finished run has another recipe.
            TrainingError, DataError: a candidate cannot be trained.
        """
        while len(self._trained) < self.spec.candidates:
            candidate = self._next()
            say(f"candidate {len(self._trained) + 1} of {self.spec.candidates}: {candidate.label}")
            self._trained.append(_Trained(candidate, self._cost(candidate), self._proxy(candidate)))
        ranked = sorted(self._trained, key=lambda one: one.accuracy, reverse=True)
        validation = self._faces(ranked[0].candidate)[1]
        return SearchReport(
            name=self.spec.name,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            command=command,
            versions=tool_versions(),
            host=load_profile("host").soc,
            validation=validation.name,
            spec=_text(self.spec),
            refused=len(self._refused),
            hours=sum(one.run.seconds for one in ranked) / 3600,
            rows=tuple(
                SearchRow(
                    label=one.candidate.label,
                    options={option: one.candidate.value(option) for option in OPTIONS},
                    parameters=one.cost.parameters,
                    macs=one.cost.macs,
                    latency=one.cost.latency,
                    accuracy=one.run.accuracy,
                    order=self._trained.index(one) + 1,
                )
                for one in ranked
            ),
            effects=tuple(self._effect(option) for option in OPTIONS),
        )

    def _next(self) -> Candidate:
        """Return a candidate that keeps the limits and was not trained yet."""
        known = {one.candidate for one in self._trained}
        for _ in range(_MOST_DRAWS):
            evolve = len(self._trained) >= self.spec.random
            candidate = self._child() if evolve else self._drawn()
            if candidate in known or candidate in self._refused:
                continue
            if self._keeps_limits(candidate):
                return candidate
            self._refused.add(candidate)
        raise ConfigError(
            f"search '{self.spec.name}' found only {len(known)} candidates within its limits; "
            "widen the space or the limits, or ask for fewer candidates"
        )

    def _drawn(self) -> Candidate:
        return self.spec.space.candidate({option: self._pick(option) for option in OPTIONS})

    def _child(self) -> Candidate:
        """Return a mutation of the best of a tournament among the youngest."""
        youngest = self._trained[-self.spec.population :]
        count = min(self.spec.tournament, len(youngest))
        drawn = self._random.choice(len(youngest), count, replace=False)
        parent = max((youngest[int(index)] for index in drawn), key=lambda one: one.accuracy).candidate
        values = {option: self._value(parent, option) for option in OPTIONS}
        open_options = [option for option in OPTIONS if len(self.spec.space.values(option)) > 1]
        option = open_options[int(self._random.integers(len(open_options)))]
        values[option] = self._pick(option)
        return self.spec.space.candidate(values)

    def _pick(self, option: Option) -> object:
        values = self.spec.space.values(option)
        return values[int(self._random.integers(len(values)))]

    @staticmethod
    def _value(candidate: Candidate, option: Option) -> object:
        return candidate.size if option == "size" else getattr(candidate.architecture, option)

    def _keeps_limits(self, candidate: Candidate) -> bool:
        limits = self.spec.limits
        if limits.parameters is not None and self._parameters(candidate) > limits.parameters:
            return False
        cost = self._cost(candidate)
        pairs = ((cost.macs, limits.macs), (cost.latency, limits.latency_ms))
        return all(
            limit is None or (figure is not None and figure.value is not None and figure.value <= limit)
            for figure, limit in pairs
        )

    def _parameters(self, candidate: Candidate) -> int:
        network = candidate.architecture.build(
            len(self._faces(candidate)[0].labels), self._input(candidate).channels
        )
        return count_parameters(network)

    def _input(self, candidate: Candidate) -> InputSpec:
        return self.spec.recipe(candidate).input

    def _folder(self, candidate: Candidate) -> Path:
        return self.work_dir / candidate.label.replace(" ", "-")

    def _cost(self, candidate: Candidate) -> _Cost:
        """Return what a candidate costs; latency only where the search limits it."""
        if candidate in self._costs:
            return self._costs[candidate]
        stored = self._folder(candidate) / _COST_FILE
        cost = _Cost.model_validate_json(stored.read_bytes()) if stored.is_file() else None
        wants_latency = self.spec.limits.latency_ms is not None
        if cost is None or (wants_latency and cost.latency is None):
            model = self._untrained(candidate)
            cost = _Cost(
                parameters=measured(count_parameters(model.network), Unit.COUNT),
                macs=measured(graph_costs(float_graph(model)).macs, Unit.COUNT),
                latency=self._latency(model, candidate) if wants_latency else None,
            )
            write_atomic(stored, cost.model_dump_json(indent=1) + "\n")
        self._costs[candidate] = cost
        return cost

    def _untrained(self, candidate: Candidate) -> Model:
        """Return the candidate with drawn weights: what it costs does not depend on them."""
        import torch

        torch.manual_seed(self.spec.seed)
        labels, spec = self._faces(candidate)[0].labels, self._input(candidate)
        network = candidate.architecture.build(len(labels), spec.channels).eval()
        contract = Contract(labels=labels, input=spec, trained_on=TrainedOn(dataset="nothing"))
        return Model(candidate.label, candidate.label, network, contract, weights_sha256="0" * 64)

    def _latency(self, model: Model, candidate: Candidate) -> Measurement:
        training = self._faces(candidate)[0]
        folder = self._folder(candidate) / "untrained"
        int8_artifact(model, calibration_for(training, _CALIBRATION_IMAGES, 0), folder)
        return host_latencies([folder], self.spec.timing)[0]

    def _proxy(self, candidate: Candidate) -> _ProxyRun:
        """Return the candidate's short training, done now unless it was before."""
        from fer_deploy.train.run import train_on

        recipe, folder = self.spec.recipe(candidate), self._folder(candidate)
        stored = folder / _RUN_FILE
        if stored.is_file():
            run = _ProxyRun.model_validate_json(stored.read_bytes())
            if run.recipe != recipe.model_dump_json():
                raise ConfigError(
                    f"{folder} holds a finished run of another recipe; use another --work-dir or delete it"
                )
            return run
        training, validation = self._faces(candidate)
        trained = train_on(recipe, training, validation, folder, folder / "model", self.device)
        logits = float_graph(load_model(folder / "model")).logits(validation.pixels, "validating")
        accuracy = proportion(logits.argmax(axis=1) == validation.targets)
        run = _ProxyRun(recipe=recipe.model_dump_json(), accuracy=accuracy, seconds=trained.seconds)
        write_atomic(stored, run.model_dump_json(indent=1) + "\n")
        return run

    def _faces(self, candidate: Candidate) -> tuple[Faces, Faces]:
        if candidate.size not in self._splits:
            recipe = self.spec.recipe(candidate)
            training = open_dataset(recipe.data, "train", None, recipe.input)
            validation = open_dataset(recipe.data, "validation", training.labels, recipe.input)
            self._splits[candidate.size] = (training, validation)
        return self._splits[candidate.size]

    def _effect(self, option: Option) -> Effect:
        """Return what an option explains: the share of the accuracies' variance that lies between its values.

        Main effects over candidates that evolution chose: an indication, not an experiment with equal cells.
        """
        accuracy = np.array([one.accuracy for one in self._trained])
        groups: dict[str, list[float]] = {}
        for one in self._trained:
            groups.setdefault(one.candidate.value(option), []).append(one.accuracy)
        total = float(np.square(accuracy - accuracy.mean()).sum())
        between = sum(len(group) * float(np.mean(group) - accuracy.mean()) ** 2 for group in groups.values())
        ordered = [option_text(value) for value in self.spec.space.values(option)]
        return Effect(
            option=option,
            share=between / total if total else 0.0,
            means={name: float(np.mean(groups[name])) for name in ordered if name in groups},
            counts={name: len(groups[name]) for name in ordered if name in groups},
        )


def _text(spec: SearchSpec) -> str:
    import tomli_w

    # without the data's path, which is this machine's own, and without null, which TOML has no word for
    table = spec.model_dump(mode="json", exclude_none=True, exclude={"train": {"data": {"path"}}})
    for option in OPTIONS:
        if table["space"][option] == [None]:
            del table["space"][option]
    return tomli_w.dumps(table)
