"""From a model to artifact folders: build each recipe's graph once, lower it to every target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.errors import TargetError
from fer_deploy.model import Model
from fer_deploy.pipeline.config import ExportSection, QuantizeSection
from fer_deploy.progress import say
from fer_deploy.quantize.calibration import CalibrationSet, choose_calibration
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.targets.artifact import Artifact, CalibrationInfo, write_artifact
from fer_deploy.targets.base import Delegation
from fer_deploy.targets.registry import get_target


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


def build_graphs(
    model: Model,
    recipes: tuple[str, ...],
    calibration: CalibrationSet | None,
    quantize: QuantizeSection | None = None,
    data: DatasetSpec | None = None,
) -> dict[str, Graph]:
    """Return each recipe's graph; the quantized ones need ``calibration``.

    Args:
        model: the float model.
        recipes: by name.
        calibration: sets the activation ranges.
        quantize: how; None for the defaults.
        data: w8a8-qat trains on its training split and chooses on its validation split.

    Raises:
        QuantizationError: a pre-flight check failed; the message names the layer.
        TrainingError, DataError: w8a8-qat cannot train.
    """
    section = quantize or QuantizeSection()
    graphs = {}
    for name in recipes:
        recipe = parse_recipe(name)
        if not recipe.quantized:
            graphs[name] = float_graph(model, recipe)
            continue
        assert calibration is not None
        if recipe.method == "qat":
            graphs[name] = _trained_graph(model, calibration, section, data or DatasetSpec())
        else:
            graphs[name] = quantize_ptq(model, calibration, section.ptq)
    return graphs


class Graphs:
    """The graphs of a run's recipes, each built when it is first asked for."""

    def __init__(
        self,
        model: Model,
        calibration: CalibrationSet | None,
        quantize: QuantizeSection | None = None,
        data: DatasetSpec | None = None,
    ) -> None:
        self._inputs = (calibration, quantize, data)
        self._model = model
        self._built: dict[str, Graph] = {}

    def of(self, recipe: str) -> Graph:
        """Return a recipe's graph; raises as :func:`build_graphs`."""
        if recipe not in self._built:
            self._built |= build_graphs(self._model, (recipe,), *self._inputs)
        return self._built[recipe]


def _trained_graph(
    model: Model, calibration: CalibrationSet, section: QuantizeSection, data: DatasetSpec
) -> Graph:
    # Only here: training imports torch at the top.
    from fer_deploy.quantize.qat import quantize_qat

    labels, spec = model.contract.labels, model.contract.input
    training = open_dataset(data, "train", labels, spec)
    validation = open_dataset(data, "validation", labels, spec)
    work_dir = section.qat_work_dir / model.name
    return quantize_qat(model, calibration, training, validation, work_dir, section.qat, section.ptq).graph


def calibration_for(training: Faces, size: int, seed: int) -> CalibrationSet:
    """Return ``size`` training faces balanced over the classes, or all there are when there are fewer."""
    return choose_calibration(training, min(size, len(training)), seed)


def draw_calibration(
    model: Model, plan: Plan, data: DatasetSpec, section: QuantizeSection
) -> CalibrationSet | None:
    """Return the calibration set that the plan's recipes need, from training images only; None if none needs one.

    Raises:
        DataError: the dataset is missing, malformed or has other labels than the model.
    """
    if not plan.quantized:
        return None
    training = open_dataset(data, "train", model.contract.labels, model.contract.input)
    return calibration_for(training, section.calibration_images, section.seed)


def write_artifacts(
    model: Model,
    plan: Plan,
    graphs: dict[str, Graph],
    calibration: CalibrationSet | None,
    section: ExportSection,
) -> Iterator[Exported]:
    """Lower and write ``<output>/<model>/<target>-<recipe>/`` for each pair of the plan, one at a time.

    Raises:
        TargetError: a target's tools refuse a graph.
        OutputError: a folder cannot be written.
    """
    for name, recipe in plan.pairs:
        graph = graphs[recipe]
        say(f"lowering {name}-{recipe}")
        info = None
        if graph.scales is not None and calibration is not None:
            info = CalibrationInfo(
                dataset=calibration.faces.name,
                rows=tuple(int(row) for row in calibration.faces.rows),
                seed=calibration.seed,
            )
        folder = section.output / model.name / f"{name}-{recipe}"
        artifact, delegation = write_artifact(
            get_target(name, section.options_of(name)), graph, folder, model.name, model.weights_sha256, info
        )
        yield Exported(artifact, delegation)
