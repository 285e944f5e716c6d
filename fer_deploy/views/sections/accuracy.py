"""Size and accuracy: every artifact against the float model, against each other, and class by class."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fer_deploy.gate.verdicts import Check
from fer_deploy.report.schema import ArtifactReport, Report
from fer_deploy.views import plots
from fer_deploy.views.blocks import (
    FILES,
    Block,
    Entries,
    Grid,
    Heading,
    Items,
    ListEntry,
    Look,
    Named,
    Plot,
    Say,
    Section,
    Span,
    Text,
    View,
)
from fer_deploy.views.tables import (
    FLOAT_ROW,
    Table,
    accuracy_table,
    artifact_table,
    between_table,
    class_table,
    headline,
    parity_table,
    without_recall,
)

#: Columns of artifacts that fit beside a class name in a terminal.
_CLASS_COLUMNS = 6
_RECALL = "Recall per class"


def artifacts(report: Report, _: Check | None) -> Section:
    """Return the table that all else explains: one row per artifact."""
    caption = "Every artifact against the float model, on the same images"
    blocks = (
        Grid(artifact_table(report), caption, intervals=True),
        Plot(partial(plots.accuracy_against_size, report), "Accuracy and size", plots.MARKER_NOTE),
    )
    return Section("Artifacts", "artifacts", blocks, summary=True)


def accuracy(report: Report, _: Check | None) -> Section:
    """Return the figures on accuracy beyond the first ones. Outside of a page each table is headed by its own name."""
    note = (
        "McNemar’s p and the number of flips are counted on the same logits as the figures beside them and share "
        "their provenance."
    )
    blocks = (
        *_headed("Parity with the float model", parity_table(report), intervals=False),
        *([Say((note,), fine=True, views=View.HTML)] if report.artifacts else []),
        *_headed("Further accuracy figures", accuracy_table(report), intervals=True),
    )
    return Section("Accuracy and parity in detail", "accuracy", blocks, titled=View.HTML)


def classes(report: Report, _: Check | None) -> Section:
    """Return the recall of each class."""
    rest: tuple[Text, ...] = tuple((f"{name}: ", *cells) for name, cells in without_recall(report).rows)
    note = f"The upright line is the float model. {plots.MARKER_NOTE}"
    blocks = (
        Plot(partial(plots.recall_per_class, report), _RECALL, note),
        Grid(
            class_table(report), _RECALL, look="matrix", pieces=_CLASS_COLUMNS, named=tuple(_recalls(report))
        ),
        Items(rest, views=FILES),
    )
    return Section(_RECALL, "classes", blocks)


def calibration(report: Report, _: Check | None) -> Section | None:
    """Return how far the models' own certainty is to be believed."""
    if not report.float_accuracy.reliability:
        return None
    note = (
        "Images in 15 bins by the probability of the predicted class. Below the diagonal the model is too sure of "
        f"itself. The dashed line is the float model. {plots.MARKER_NOTE}"
    )
    blocks = (Plot(partial(plots.reliability_curve, report), "Calibration curve", note),)
    return Section("Calibration", "calibration", blocks)


def between(report: Report, _: Check | None) -> Section:
    """Return the targets against each other."""
    grid = Grid(between_table(report), "Same recipe, two targets, same images", intervals=True)
    return Section("Targets against each other", "between", (grid,))


def words(report: Report, _: Check | None) -> Section:
    """Return what is known of each artifact in words, and where its file is."""
    entries = tuple(
        ListEntry((artifact.key,), tuple(_lines(report, artifact))) for artifact in report.artifacts
    )
    return Section("Each artifact", "words", (Entries(entries, views=FILES),))


def _headed(title: str, table: Table, intervals: bool) -> Iterator[Block]:
    if table.rows:
        yield Heading(title, level=2, views=View.TERMINAL | View.MARKDOWN)
        yield Grid(table, title, intervals=intervals)


def _lines(report: Report, artifact: ArtifactReport) -> Iterator[Say]:
    yield Say(headline(report, artifact))
    if artifact.diagnosis:
        yield Say((Span("Likely cause:", Look.STRONG), f" {artifact.diagnosis}"))
    file = Span(f"{artifact.path}/{artifact.file}", Look.CODE)
    line: list[str | Span] = [file, " · sha256 ", Span(artifact.sha256, Look.CODE)]
    delegation = artifact.delegation
    if delegation.delegates is not None:
        line.append(f" · {delegation.delegates} delegated subgraphs")
    if delegation.not_delegated:
        names = ", ".join(f"{name} × {count}" for name, count in delegation.not_delegated.items())
        line.append(f" · not delegated: {names}")
    yield Say(tuple(line), fine=True)


def _recalls(report: Report) -> Iterator[Named]:
    """Yield every recall; of a model that was not measured at all, under one name for all classes."""
    models = [
        (FLOAT_ROW, report.float_accuracy),
        *((artifact.key, artifact.accuracy) for artifact in report.artifacts),
    ]
    for key, figures in models:
        for each in figures.classes:
            yield key, f"recall of {each.label}" if figures.accuracy.known else "recall", each.recall
