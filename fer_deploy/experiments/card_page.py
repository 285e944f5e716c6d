"""A model card: what a zoo model is, what it was trained on, and how it does; every figure is a Measurement."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from fer_deploy.measure.figures import AccuracyFigures, ClassFigures, ParityFigures
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.schema import DatasetSummary, ModelSummary
from fer_deploy.report.wording import amount, describe, interval
from fer_deploy.views.markdown_template import fill

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
        validation: the split the checkpoint was chosen on.
        test: the split that is reported.
        seeds: models of the same recipe with other seeds.
        test_over_seeds: mean accuracy on the test split over the model and ``seeds``; None where there are no others.
        agreed_over_seeds: the same where most annotators agree; None where there are no others, or no votes.
        int8: the artifacts that run on any host, on that split.
    """

    model: ModelSummary
    dataset_kind: str
    recipe: str | None
    validation: SplitFigures
    test: SplitFigures
    seeds: tuple[SeedFigures, ...]
    test_over_seeds: Measurement | None
    agreed_over_seeds: Measurement | None
    int8: tuple[Int8Figures, ...]
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
