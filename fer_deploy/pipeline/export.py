"""From a configuration to artifact folders: load what it names, build each recipe's graph once, lower it to targets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from fer_deploy.data.account import faces_digest
from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.errors import DataError, FerDeployError, ProofError, QuantizationError, TargetError
from fer_deploy.frozen import Unknown
from fer_deploy.heap import set_aside
from fer_deploy.model import Model
from fer_deploy.pipeline.config import ExportSection, QuantizeSection
from fer_deploy.progress import say
from fer_deploy.quantize.canonical import Canonical, Traced, canonical, evidence_of, exported_graph
from fer_deploy.quantize.carried import carried_by
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.prepare import calibration_evidence
from fer_deploy.quantize.proof import LARGE_LOSS_AGREEMENT, LARGE_LOSS_DB, PROOF_IMAGES, Evidence
from fer_deploy.quantize.ptq import lowerable_graph, quantize_ptq
from fer_deploy.quantize.recipe import CalibrationSet, Recipe, choose_calibration, parse_recipe
from fer_deploy.report.schema import MissingArtifact
from fer_deploy.targets.artifact import Artifact, CalibrationInfo, write_artifact
from fer_deploy.targets.base import Delegation
from fer_deploy.targets.golden import golden_inputs
from fer_deploy.targets.registry import get_target

#: Said of an artifact whose ranges come from no photograph.
NOT_FOR_SHIPPING = (
    "its ranges come from faces drawn by code, so it is not for shipping: give images of people ([data], or "
    "`fer-deploy data import`) and export again"
)


@dataclass(frozen=True)
class Exported:
    """An artifact as it was just written, and what its target's tools said of the lowering."""

    artifact: Artifact
    delegation: Delegation


@dataclass(frozen=True)
class Plan:
    """The pairs of target and recipe to write, and the pairs that were asked for and do not exist."""

    pairs: tuple[tuple[str, str], ...]
    impossible: tuple[tuple[str, str], ...]

    @property
    def recipes(self) -> tuple[str, ...]:
        """The recipes that some target is to be lowered from."""
        return tuple(dict.fromkeys(recipe for _, recipe in self.pairs))

    @property
    def quantized(self) -> bool:
        """True when a calibration set is needed."""
        return any(parse_recipe(recipe).quantized for recipe in self.recipes)


def plan_exports(targets: tuple[str, ...], recipes: tuple[str, ...]) -> Plan:
    """Return which artifacts to write.

    Raises:
        TargetError: a target is unknown, or has none of the recipes.
    """
    pairs: list[tuple[str, str]] = []
    impossible: list[tuple[str, str]] = []
    for name in targets:
        target = get_target(name)
        for recipe in recipes:
            (pairs if recipe in target.recipes else impossible).append((name, recipe))
        if not any(pair[0] == name for pair in pairs):
            raise TargetError(
                f"target '{name}' has none of the recipes {', '.join(recipes)}; it has: {', '.join(target.recipes)}"
            )
    return Plan(tuple(pairs), tuple(impossible))


class Graphs:
    """The graphs of a model's recipes, each built when it is first asked for, all from one canonical graph."""

    def __init__(
        self,
        model: Model,
        calibration: CalibrationSet | None,
        quantize: QuantizeSection | None = None,
        data: DatasetSpec | None = None,
    ) -> None:
        """Build nothing yet.

        Args:
            model: the float model.
            calibration: sets the activation ranges; quantized recipes need it.
            quantize: how; None for the defaults.
            data: w8a8-qat trains on its training split and chooses on its validation split; without a calibration set,
                steps are proven on images of its training split.
        """
        self._model, self._calibration = model, calibration
        self._section, self._data = quantize or QuantizeSection(), data or DatasetSpec()
        self._built: dict[str, Graph | FerDeployError] = {}

    @cached_property
    def traced(self) -> Traced:
        """The model's exported graph, which nothing may change, and its only batch size or None.

        Raises:
            QuantizationError: it cannot be exported.
        """
        return exported_graph(self._model)

    @cached_property
    def form(self) -> Canonical:
        """The model's canonical graph; raises as :func:`canonical`."""
        evidence = proof_evidence(self._model, self._calibration, self._data)
        return canonical(self._model, evidence, lambda _: self.traced)

    @cached_property
    def trained_on(self) -> tuple[str, str]:
        """Digests of the images that w8a8-qat trains on and chooses on; raises as :func:`open_dataset`."""
        labels, spec = self._model.contract.labels, self._model.contract.input
        splits = (open_dataset(self._data, split, labels, spec) for split in ("train", "validation"))
        training, validation = (faces_digest(faces) for faces in splits)
        return training, validation

    def of(self, recipe: str) -> Graph:
        """Return a recipe's graph.

        Raises:
            QuantizationError: a pre-flight check failed; the message names the layer.
            ModelError, ProofError: see :func:`canonical`.
            TrainingError, DataError: w8a8-qat cannot train.
        """
        if recipe not in self._built:
            say(f"building the {recipe} graph")
            try:
                with set_aside():
                    self._built[recipe] = self._graph(parse_recipe(recipe))
            except FerDeployError as error:  # kept: each target that asks for the recipe gets the same answer
                self._built[recipe] = error
        built = self._built[recipe]
        if isinstance(built, FerDeployError):
            raise built
        return built

    def _graph(self, recipe: Recipe) -> Graph:
        if not recipe.quantized:
            return lowerable_graph(self._model, self.form, recipe)
        assert self._calibration is not None
        if recipe.method == "qat":
            return _trained_graph(self._model, self._calibration, self._section, self._data, self.form)
        return quantize_ptq(self._model, self._calibration, self._section.ptq, self.form)


def proof_evidence(model: Model, calibration: CalibrationSet | None, data: DatasetSpec) -> Evidence:
    """Return what steps are proven on: calibration faces, else training faces, else drawn images, and that is said."""
    if calibration is not None:
        return calibration_evidence(model, calibration)
    try:
        faces = open_dataset(data, "train", model.contract.labels, model.contract.input)
    except DataError as error:
        reason = f"no faces are at hand ({error})"
        say(f"warning: {reason}; the artifacts are proven on drawn images, which show less")
        drawn = np.stack(list(golden_inputs(model.contract.input).values()))
        return evidence_of(model, drawn, f"drawn images: {reason}", real=False)
    chosen = np.linspace(0, len(faces) - 1, min(PROOF_IMAGES, len(faces))).round().astype(np.int64)
    return evidence_of(model, faces.pixels[chosen], faces.name, real=not faces.drawn)


def _trained_graph(
    model: Model, calibration: CalibrationSet, section: QuantizeSection, data: DatasetSpec, form: Canonical
) -> Graph:
    # Only here: training imports torch at the top.
    from fer_deploy.quantize.qat import quantize_qat

    labels, spec = model.contract.labels, model.contract.input
    training = open_dataset(data, "train", labels, spec)
    validation = open_dataset(data, "validation", labels, spec)
    work_dir = section.qat_work_dir / model.name
    return quantize_qat(
        model, calibration, training, validation, work_dir, section.qat, section.ptq, form
    ).graph


def calibration_for(training: Faces, size: int, seed: int) -> CalibrationSet:
    """Return ``size`` training faces balanced over the classes, or all there are when there are fewer."""
    return choose_calibration(training, min(size, len(training)), seed)


def draw_calibration(
    model: Model, plan: Plan, data: DatasetSpec, section: QuantizeSection
) -> CalibrationSet | None:
    """Return the calibration set that the plan's recipes need, from training images only; None if none needs one.

    Where there are only drawn faces, the ranges that the model carries take their place, if they hold for it.

    Raises:
        DataError: the dataset is missing, malformed or has other labels than the model.
    """
    if not plan.quantized:
        return None
    training = open_dataset(data, "train", model.contract.labels, model.contract.input)
    drawn = calibration_for(training, section.calibration_images, section.seed)
    if not training.drawn:
        return drawn
    carried = carried_by(model, section.ptq, section.calibration_images, section.seed)
    if isinstance(carried, Unknown):
        say(
            f"warning: {carried.reason}: ranges come from faces drawn by code, and int8 artifacts are not for shipping"
        )
        return drawn
    return dataclasses.replace(drawn, carried=carried)


def write_artifact_of(
    model: Model,
    pair: tuple[str, str],
    graphs: Graphs,
    calibration: CalibrationSet | None,
    section: ExportSection,
    root: Path | None = None,
) -> Exported | MissingArtifact:
    """Lower and write ``<root>/<target>-<recipe>/``; one that cannot be made takes no other with it.

    ``root`` is ``<output>/<model>`` where nobody says otherwise.

    Raises:
        OutputError: a folder cannot be written.
        ModelError: the model itself is at fault, so that no target can be lowered.
    """
    name, recipe = pair
    try:
        graph = graphs.of(recipe)
        say(f"lowering {name}-{recipe}")
        info = None
        if graph.scales is not None and calibration is not None:
            info = CalibrationInfo(
                dataset=calibration.source,
                rows=calibration.rows,
                seed=calibration.seed,
                carried=calibration.carried is not None,
                drawn=calibration.drawn,
            )
        folder = (root or section.output / model.name) / f"{name}-{recipe}"
        target = get_target(name, section.options_of(name))
        artifact, delegation = write_artifact(target, graph, folder, model.name, model.weights_sha256, info)
    except (QuantizationError, TargetError, ProofError) as error:
        say(f"error: {name}-{recipe} was not made: {error}")
        return MissingArtifact(target=name, recipe=recipe, reason=str(error))
    for line in doubts(artifact):
        say(f"warning: {artifact.key}: {line}")
    return Exported(artifact, delegation)


def doubts(artifact: Artifact) -> tuple[str, ...]:
    """Return what a user has to know before shipping an artifact: a large loss, or a proof that could not be made."""
    proven = artifact.proof
    if proven is None:
        return ()
    if proven.contract == "not proven":
        return (f"not proven to be the network: {proven.note}",)
    found = [*artifact.info.cautions]
    if artifact.info.calibration is not None and artifact.info.calibration.drawn:
        found.append(NOT_FOR_SHIPPING)
    if proven.note is not None:
        found.append(f"proven on {proven.note}")
    sqnr, agreed = proven.sqnr_db, proven.agreement
    if (sqnr is not None and sqnr < LARGE_LOSS_DB) or (agreed is not None and agreed < LARGE_LOSS_AGREEMENT):
        layers = ", ".join(artifact.info.costliest_layers)
        found.append(
            f"its answers to {proven.images} faces are at {sqnr or 0.0:.1f} dB and {agreed or 0.0:.0%} agreement with "
            f"the float network{f'; it costs most at {layers}' if layers else ''}; `fer-deploy sensitivity` measures "
            "each layer, and [quantize.ptq] float_layers leaves some in float"
        )
    return tuple(found)
