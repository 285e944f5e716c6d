"""What happened to single images: where predictions moved, and which images they are."""

from __future__ import annotations

from functools import partial

from fer_deploy.gate.verdicts import Check
from fer_deploy.report.schema import ArtifactReport, Report
from fer_deploy.views import plots
from fer_deploy.views.blocks import (
    FILES,
    Block,
    Draw,
    Folded,
    Gallery,
    Grid,
    Items,
    Look,
    Mark,
    Say,
    Section,
    Span,
    Text,
    View,
)
from fer_deploy.views.tables import flip_count, flip_table


def confusion(report: Report, _: Check | None) -> Section | None:
    """Return in which cells of the confusion matrix images came or went."""
    if not report.artifacts:
        return None
    drawn: list[tuple[Text, Draw]] = []
    rest: list[Text] = []
    for artifact in report.artifacts:
        figure = artifact.accuracy.accuracy
        if plots.changed_cells(report, artifact) is not None:
            title: Text = (artifact.key, " ", Mark(figure.provenance))
            drawn.append((title, partial(plots.confusion_change, report, artifact)))
        elif artifact.accuracy.confusion:
            rest.append((f"{artifact.key}: no cell changed ", Mark(figure.provenance)))
        elif figure.known:
            rest.append((f"{artifact.key}: no confusion matrix in this report",))
        else:
            rest.append((f"{artifact.key}: ", figure))
    how = (
        "Images of the artifact minus images of the float model, per true class (row) and predicted class (column). "
        "Framed cells are right answers: there, more is better."
    )
    blocks = (
        Say((how,), fine=True, views=View.HTML),
        Gallery(tuple(drawn)),
        Items(tuple(rest), views=View.HTML),
    )
    return Section("Confusion change", "confusion", blocks)


def flips(report: Report, _: Check | None) -> Section | None:
    """Return which images went from one class to another, by row."""
    if not report.artifacts:
        return None
    what = (
        f"Images whose top-1 class differs from the float model’s, by row in {report.dataset.name}. Pictures are "
        "never part of a report."
    )
    blocks = (Say((what,), fine=True, views=FILES), *map(_flips, report.artifacts))
    return Section("Flipped images", "flips", blocks)


def _flips(artifact: ArtifactReport) -> Block:
    agreement = artifact.parity.agreement
    key = Span(artifact.key, Look.STRONG)
    if not agreement.known:
        return Say((key, ": ", agreement), views=FILES)
    if not artifact.parity.flips:
        return Say((key, ": none ", Mark(agreement.provenance)), views=FILES)
    grid = Grid(flip_table(artifact), f"Flipped images of {artifact.key}", look="cards flips")
    title = (key, f": {flip_count(artifact)} flips ", Mark(agreement.provenance))
    return Folded(title, (grid,))
