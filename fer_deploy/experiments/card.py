"""A model card: what a zoo model is, what it was trained on, and how it does; every figure is a Measurement."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, Role, open_dataset
from fer_deploy.errors import ModelError, TargetError
from fer_deploy.experiments.study import mean_over_seeds
from fer_deploy.measure.corrupted import corrupted_figures, corrupted_inference, some_of
from fer_deploy.measure.figures import AccuracyFigures, ClassFigures, CorruptedFigures, ParityFigures
from fer_deploy.measure.measurement import Measurement, as_emulated
from fer_deploy.measure.no_face import NoFaceFigures
from fer_deploy.measure.parity import accuracy_figures, parity_figures
from fer_deploy.measure.subject import float_inference, infer
from fer_deploy.model import Model, load_model
from fer_deploy.pipeline.config import ExportSection, QuantizeSection
from fer_deploy.pipeline.export import Graphs, Plan, draw_calibration, write_artifact_of
from fer_deploy.pipeline.no_face import Answer, NoFacePictures, judge_no_face, no_face_pictures
from fer_deploy.pipeline.summaries import dataset_summary, model_summary, size_figure
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.report.schema import DatasetSummary, MissingArtifact, ModelSummary
from fer_deploy.report.wording import amount, describe, interval
from fer_deploy.targets.artifact import Artifact, tool_versions
from fer_deploy.targets.registry import default_target_names, target_class
from fer_deploy.train.family.student_file import FAMILY_RECIPE_FILE, SplitFrom, read_split
from fer_deploy.views.markdown import fill

#: The notes on data, bias and use hold for every model of the zoo and stand in the template.
TEMPLATE = "card.md.j2"
#: What ``--dataset`` is when it is not given.
DEFAULT_DATASET = "ferplus"
#: Recall below this share of the accuracy is listed among the known failures.
WEAK_SHARE = 0.75


@dataclass(frozen=True)
class SplitFigures:
    """How the model does on one split."""

    dataset: DatasetSummary
    figures: AccuracyFigures


@dataclass(frozen=True)
class Int8Figures:
    """How the int8 artifact of one target does on the test split, alone and against the float model."""

    target: str
    size: Measurement
    accuracy: AccuracyFigures
    parity: ParityFigures
    corrupted: CorruptedFigures | None  # None where answers are emulated, which takes long
    no_face: NoFaceFigures | None


@dataclass(frozen=True)
class SeedFigures:
    """How a model of the same recipe with another seed does."""

    name: str
    weights_sha256: str
    validation: AccuracyFigures
    test: AccuracyFigures


@dataclass(frozen=True)
class Card:
    """What goes into a card.

    Attributes:
        dataset_kind: the ``--dataset`` that the figures were measured with.
        recipe: the training recipe's TOML text, as it lies beside the weights; None when there is none.
        origin: which label set of which family's student the model is; None for any other model.
        validation: the split the checkpoint was chosen on.
        test: the split that is reported.
        seeds: models of the same recipe with other seeds.
        test_over_seeds: mean accuracy on the test split over the model and ``seeds``; None where there are no others.
        agreed_over_seeds: the same where most annotators agree; None where there are no others, or no votes.
        int8: the artifacts of every target that has the recipe, on that split.
        no_face: how the float model tells pictures without a face; None where its contract has no rule.
        corrupted: the float model under corruption of some images of that split.
        before: the same of the model in ``before/`` that this one went on from; None where there is none.
    """

    model: ModelSummary
    dataset_kind: str
    recipe: str | None
    origin: SplitFrom | None
    validation: SplitFigures
    test: SplitFigures
    seeds: tuple[SeedFigures, ...]
    test_over_seeds: Measurement | None
    agreed_over_seeds: Measurement | None
    int8: tuple[Int8Figures, ...]
    no_face: NoFaceFigures | None
    corrupted: CorruptedFigures
    before: CorruptedFigures | None
    versions: dict[str, str]


def weak_classes(figures: AccuracyFigures) -> tuple[ClassFigures, ...]:
    """Return the classes whose recall is below :data:`WEAK_SHARE` of the accuracy, the weakest first."""
    accuracy = figures.accuracy.value
    if accuracy is None:
        return ()
    known = [(one.recall.value, one) for one in figures.classes if one.recall.value is not None]
    weak = sorted((pair for pair in known if pair[0] < WEAK_SHARE * accuracy), key=lambda pair: pair[0])
    return tuple(one for _, one in weak)


def confused_with(figures: AccuracyFigures, label: str) -> str:
    """Return the class that images of ``label`` are most often taken for, other than itself."""
    labels = [one.label for one in figures.classes]
    row = list(figures.confusion[labels.index(label)])
    row[labels.index(label)] = -1
    return labels[row.index(max(row))]


def render_card(card: Card) -> str:
    """Return the card as Markdown."""
    weak = [(one, confused_with(card.test.figures, one.label)) for one in weak_classes(card.test.figures)]
    command = ["fer-deploy", "card", card.model.source]
    if card.dataset_kind != DEFAULT_DATASET:
        command += ["--dataset", card.dataset_kind]
    return fill(
        TEMPLATE,
        card=card,
        weak=weak,
        amount=amount,
        describe=describe,
        interval=interval,
        command=shlex.join(command),
    )


RECIPE_FILE = "train.toml"
#: Holds a model folder for each further seed of the same recipe.
SEEDS_FOLDER = "seeds"
#: Holds the model that a tuned one went on from, to show what the tuning changed.
BEFORE_FOLDER = "before"
#: Test images that are corrupted: enough that a mean over all kinds is known to about four points.
CORRUPTED_IMAGES = 300
_RECIPE = "w8a8-ptq"
_SEED = 0
Logits = NDArray[np.float32]


def measure_card(folder: Path, dataset: DatasetSpec) -> Card:
    """Return the card of the zoo model in ``folder``, measured on the dataset's validation and test splits.

    Raises:
        ModelError: ``folder`` is not a zoo folder.
        DataError: the dataset is missing, malformed or has other labels.
    """
    if not folder.is_dir():
        raise ModelError(f"a card is written into a model's folder, and {folder} is none")
    model = load_model(folder)
    graph = float_graph(model)

    test_faces = _faces(model, dataset, "test")
    validation, _ = _split_figures(graph, _faces(model, dataset, "validation"))
    test, test_logits = _split_figures(graph, test_faces)
    seeds = tuple(
        _seed_figures(one.parent, dataset) for one in sorted(folder.glob(f"{SEEDS_FOLDER}/*/model.toml"))
    )
    tested = [test.figures, *(one.test for one in seeds)]
    origin = read_split(folder)
    some = some_of(test_faces, CORRUPTED_IMAGES, _SEED)
    spoilt = _corrupted_answers(graph, some)
    rule, spec = model.contract.no_face, model.contract.input
    pictures = no_face_pictures(dataset, "test", test_faces, spec) if rule else None
    before = folder / BEFORE_FOLDER
    recipe = folder / (RECIPE_FILE if origin is None else FAMILY_RECIPE_FILE)
    return Card(
        model=model_summary(model, graph),
        dataset_kind=dataset.kind,
        recipe=recipe.read_text(encoding="utf-8") if recipe.is_file() else None,
        origin=origin,
        validation=validation,
        test=test,
        seeds=seeds,
        test_over_seeds=_over_seeds([one.accuracy for one in tested]),
        agreed_over_seeds=_over_seeds([one.accuracy_where_agreed for one in tested]),
        int8=_int8_figures(model, dataset, (test_faces, test_logits), (some, spoilt), pictures),
        no_face=_no_face(model, graph.logits, test_logits, pictures),
        corrupted=corrupted_figures(spoilt, some, _SEED),
        before=(
            corrupted_figures(_corrupted_answers(float_graph(load_model(before)), some), some, _SEED)
            if before.is_dir()
            else None
        ),
        versions=tool_versions(),
    )


def _faces(model: Model, dataset: DatasetSpec, role: Role) -> Faces:
    return open_dataset(dataset, role, model.contract.labels, model.contract.input)


def _split_figures(graph: Graph, faces: Faces) -> tuple[SplitFigures, Logits]:
    logits = graph.logits(faces.pixels, f"evaluating {faces.name}")
    return SplitFigures(
        dataset_summary(faces), accuracy_figures(logits, faces, graph.contract.confidence)
    ), logits


def _seed_figures(folder: Path, dataset: DatasetSpec) -> SeedFigures:
    model = load_model(folder)
    graph = float_graph(model)
    return SeedFigures(
        name=folder.name,
        weights_sha256=model.weights_sha256,
        validation=_split_figures(graph, _faces(model, dataset, "validation"))[0].figures,
        test=_split_figures(graph, _faces(model, dataset, "test"))[0].figures,
    )


def _over_seeds(figures: Sequence[Measurement | None]) -> Measurement | None:
    """Return the mean over the model and its recipe's further seeds; None without them, or where one has no figure."""
    known = [one for one in figures if one is not None]
    return mean_over_seeds(known) if len(known) == len(figures) > 1 else None


def _no_face(
    model: Model, answer: Answer, faces: Logits, pictures: NoFacePictures | None
) -> NoFaceFigures | None:
    rule = model.contract.no_face
    return None if rule is None or pictures is None else judge_no_face(rule, answer, faces, pictures)


def _corrupted_answers(graph: Graph, faces: Faces) -> Logits:
    answer = partial(float_inference, graph, note="evaluating corrupted images")
    return corrupted_inference(answer, faces, _SEED).logits


def _int8_figures(
    model: Model,
    dataset: DatasetSpec,
    tested: tuple[Faces, Logits],
    corrupted: tuple[Faces, Logits],
    pictures: NoFacePictures | None,
) -> tuple[Int8Figures, ...]:
    """Return how the artifacts that ``fer-deploy run`` would write with its defaults do.

    Args:
        model: the float model.
        dataset: where calibration images come from.
        tested: the test faces, and the float model's logits on them.
        corrupted: those of them that are corrupted, and the float model's logits under every corruption.
        pictures: of no face, of the same split; None where the contract has no rule.
    """
    (faces, reference), (some, spoilt) = tested, corrupted
    targets = tuple(name for name in default_target_names() if _RECIPE in target_class(name).recipes)
    plan = Plan(tuple((target, _RECIPE) for target in targets), ())
    quantize = QuantizeSection()
    calibration = draw_calibration(model, plan, dataset, quantize)
    graphs = Graphs(model, calibration, quantize, dataset)
    with TemporaryDirectory(prefix="fer-deploy-card-") as folder:
        section = ExportSection(targets=targets, recipes=(_RECIPE,), output=Path(folder))
        figures = []
        for pair in plan.pairs:
            one = write_artifact_of(model, pair, graphs, calibration, section)
            if isinstance(one, MissingArtifact):
                raise TargetError(f"{one.key} was not made, and a card shows every target: {one.reason}")
            info, answers = one.artifact.info, infer(one.artifact, faces.pixels)
            under = None
            if answers.emulation is None:
                theirs = corrupted_inference(partial(infer, one.artifact), some, _SEED)
                under = corrupted_figures(theirs.logits, some, _SEED, spoilt)
            told = _no_face(model, partial(_answer, one.artifact), answers.logits, pictures)
            figures.append(
                Int8Figures(
                    target=info.target,
                    size=size_figure(info),
                    accuracy=as_emulated(
                        accuracy_figures(answers.logits, faces, info.contract.confidence), answers.emulation
                    ),
                    parity=as_emulated(parity_figures(reference, answers.logits, faces), answers.emulation),
                    corrupted=under,
                    no_face=None if told is None else as_emulated(told, answers.emulation),
                )
            )
        return tuple(figures)


def _answer(artifact: Artifact, pixels: NDArray[np.uint8], _: str) -> Logits:
    return infer(artifact, pixels).logits
