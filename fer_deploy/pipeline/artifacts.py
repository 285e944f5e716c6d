"""The artifacts of a run: those of one recipe in a second process, the others here, none twice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from fer_deploy.data.account import faces_digest
from fer_deploy.errors import ProofError, QuantizationError
from fer_deploy.forked import Forked
from fer_deploy.frozen import Unknown
from fer_deploy.pipeline.config import Config
from fer_deploy.pipeline.export import Exported, Graphs, write_artifact_of
from fer_deploy.pipeline.inputs import Inputs
from fer_deploy.pipeline.store import Store, artifact_in, digest
from fer_deploy.progress import Stages
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.report.schema import MissingArtifact
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Delegation
from fer_deploy.targets.registry import get_target

#: Target and recipe.
Pair = tuple[str, str]
Written = Exported | MissingArtifact


def storable(made: Written) -> tuple[Artifact, Delegation] | Unknown:
    """Return what was written, or why nothing was, as :func:`artifact_in` keeps it."""
    return (
        Unknown(reason=made.reason) if isinstance(made, MissingArtifact) else (made.artifact, made.delegation)
    )


class ArtifactWriter:
    """Writes a run's artifacts, or reuses what an earlier run wrote from the same inputs."""

    def __init__(
        self, inputs: Inputs, config: Config, graphs: Graphs, store: Store, stages: Stages, reuse: bool
    ) -> None:
        """Write nothing yet; with ``reuse`` False, whatever the store holds is made again."""
        self._inputs, self._config, self._graphs = inputs, config, graphs
        self._store, self._stages, self._reuse = store, stages, reuse

    def prepare(self, pairs: Sequence[Pair]) -> None:
        """Import what those of ``pairs`` need that are to be made."""
        targets = dict.fromkeys(pair[0] for pair in pairs if not self._kept(pair, self.made_from(*pair)))
        for target in targets:
            get_target(target).prepare()

    def all_of(self, pairs: Sequence[Pair], done: Callable[[Exported], None]) -> list[Written]:
        """Return the artifacts of ``pairs``, in their order; ``done`` hears of each as soon as it is there.

        The first recipe's are lowered in a second process, while this one builds the other graphs and lowers from them.
        """
        first = pairs[0][1]
        inputs = {pair: self.made_from(*pair) for pair in pairs}
        wanted = [pair for pair in pairs if not self._kept(pair, inputs[pair])]
        elsewhere = [pair for pair in wanted if pair[1] == first]
        here = [pair for pair in pairs if pair not in elsewhere]
        found: dict[Pair, Written] = {}

        def add(pair: Pair, beside: Forked[Pair, Written]) -> None:
            made = found[pair] = self._one(pair, inputs[pair], beside)
            if isinstance(made, Exported):
                done(made)

        with Forked[Pair, Written]() as beside:
            if elsewhere and len(elsewhere) < len(wanted):
                self._build(first)
                beside.start(elsewhere, self._written)
            left = list(elsewhere)
            for pair in here:
                add(pair, beside)
                while left and beside.has(left[0]):
                    add(left.pop(0), beside)
            for pair in left:
                add(pair, beside)
        return [found[pair] for pair in pairs]

    def made_from(self, target: str | None, recipe: str) -> str:
        """Return the digest of everything that an artifact depends on; without a target, that its graph does."""
        model, calibration = self._inputs.model, self._inputs.calibration
        images = faces_digest(calibration.faces) if calibration and parse_recipe(recipe).quantized else None
        trained = parse_recipe(recipe).method == "qat"
        settings = self._config.model_dump(mode="json", include={"quantize", "export", "data"})
        others = ("targets", "recipes", "output")
        settings["export"] = {key: value for key, value in settings["export"].items() if key not in others}
        return digest(
            weights=model.weights_sha256,
            contract=model.contract.sha256,
            name=model.name,
            target=target,
            recipe=recipe,
            calibration=images,
            trained_on=self._graphs.trained_on if trained else None,
            settings=settings,
        )

    def _folder(self, pair: Pair) -> Path:
        return self._config.export.output / self._inputs.model.name / "-".join(pair)

    def _kept(self, pair: Pair, inputs: str) -> bool:
        folder = self._folder(pair)
        return self._store.has(artifact_in(folder), folder.name, inputs, self._reuse)

    def _build(self, recipe: str) -> None:
        with self._stages.stage("building the graphs"), contextlib.suppress(QuantizationError, ProofError):
            self._graphs.of(recipe)  # what it raises is said where the artifact is asked for

    def _written(self, pair: Pair) -> Written:
        return write_artifact_of(
            self._inputs.model, pair, self._graphs, self._inputs.calibration, self._config.export
        )

    def _one(self, pair: Pair, inputs: str, beside: Forked[Pair, Written]) -> Written:
        folder = self._folder(pair)

        def lower() -> tuple[Artifact, Delegation] | Unknown:
            self._build(pair[1])
            with self._stages.stage(f"lowering {folder.name}"):
                return storable(beside.take(pair) or self._written(pair))

        kept = self._store.once(artifact_in(folder), folder.name, inputs, lower, self._reuse)
        if isinstance(kept, Unknown):
            return MissingArtifact(target=pair[0], recipe=pair[1], reason=kept.reason)
        return Exported(*kept)
