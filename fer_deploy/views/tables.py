"""What the tables and sentences of every view say, without saying how they look.

Terminal, Markdown and HTML render the same :class:`Table` and :data:`Sentence`, so that a figure
cannot be in one view and missing, or named differently, in another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from fer_deploy.measure.figures import AccuracyFigures, Flip
from fer_deploy.measure.measurement import Measurement, Unit, not_measured
from fer_deploy.report.schema import ArtifactReport, DatasetSummary, Report
from fer_deploy.report.wording import clean, grounds, probability

Cell = Measurement | str
#: Running text with figures in it; each view adds its own provenance marker to them.
Sentence = tuple[Cell, ...]
FLOAT_ROW = "float model"
#: How every view calls a timing that broke a rule of its protocol.
INVALID = "INVALID"


@dataclass(frozen=True)
class Table:
    """A heading for the row names, the columns' names, and named rows of cells."""

    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]

    def figures(self) -> Iterator[tuple[str, str, Measurement]]:
        """Yield row name, column name and figure of every cell that holds one."""
        for name, cells in self.rows:
            for column, cell in zip(self.columns, cells, strict=True):
                if isinstance(cell, Measurement):
                    yield name, column, cell


@dataclass(frozen=True)
class CellRun:
    """One cell of a row, or several neighbours that are missing for the same reason."""

    columns: tuple[str, ...]
    cell: Cell


@dataclass(frozen=True)
class FlipGroup:
    """The rows of the images that went from one class to the same other one."""

    label: str
    reference: str
    artifact: str
    rows: tuple[int, ...]


def artifact_table(report: Report) -> Table:
    """Return the three-target table: one row per artifact, and the float model's accuracy above them."""
    columns = ("size", "delegated", "accuracy", "drop", "agreement", "SQNR")
    first: tuple[Cell, ...] = ("", "", report.float_accuracy.accuracy, "", "", "")
    rows = [(FLOAT_ROW, first)]
    for one in report.artifacts:
        parity = one.parity
        rows.append(
            (
                one.key,
                (
                    one.size,
                    one.delegation.share,
                    one.accuracy.accuracy,
                    parity.drop,
                    parity.agreement,
                    parity.sqnr,
                ),
            )
        )
    return Table("artifact", columns, tuple(rows))


def accuracy_table(report: Report) -> Table:
    """Return the accuracy figures beyond the headline one."""
    columns: tuple[str, ...] = ("without leaked images", "balanced accuracy", "calibration error")
    everyone = [(FLOAT_ROW, report.float_accuracy), *((one.key, one.accuracy) for one in report.artifacts)]
    rows: list[tuple[str, tuple[Cell, ...]]] = [
        (name, (acc.accuracy_without_leaked, acc.balanced_accuracy, acc.ece)) for name, acc in everyone
    ]
    if report.float_accuracy.answered is not None:
        columns = (*columns, "answered", "accuracy of the answered")
        rows = [
            (name, (*cells, acc.answered or "–", acc.accuracy_of_answered or "–"))
            for (_, acc), (name, cells) in zip(everyone, rows, strict=True)
        ]
    agreed = [acc.accuracy_where_agreed for _, acc in everyone]
    if any(agreed):
        columns = ("where most annotators agree", *columns)
        rows = [(name, (one or "–", *cells)) for one, (name, cells) in zip(agreed, rows, strict=True)]
    return Table("artifact", columns, tuple(rows))


def parity_table(report: Report) -> Table:
    """Return the figures that compare each artifact with the float model, beyond drop, agreement and SQNR."""
    columns = ("worst class", "its drop", "McNemar p", "flips", "max logit diff.", "RMS logit diff.")
    rows = []
    for one in report.artifacts:
        parity = one.parity
        cells: tuple[Cell, ...] = (
            parity.worst_class or "–",
            parity.worst_class_drop,
            probability(parity.mcnemar_p),
            flip_count(one),
            parity.max_logit_difference,
            parity.rms_logit_difference,
        )
        rows.append((one.key, cells))
    return Table("artifact", columns, tuple(rows))


def between_table(report: Report) -> Table:
    """Return the targets against each other, one row per pair of artifacts."""
    columns = ("agreement", "max logit diff.")
    rows = [
        (f"{pair.first} – {pair.second}, {pair.recipe}", (pair.agreement, pair.max_logit_difference))
        for pair in report.between_targets
    ]
    return Table("pair", columns, tuple(rows))


def class_table(report: Report) -> Table:
    """Return recall per class; artifacts without any recall have no column, see :func:`without_recall`."""
    shown = [one for one in report.artifacts if has_recall(one)]
    columns = ("images", FLOAT_ROW, *(one.key for one in shown))
    models = [report.float_accuracy, *(one.accuracy for one in shown)]
    rows: list[tuple[str, tuple[Cell, ...]]] = []
    for one in report.float_accuracy.classes:
        recalls = tuple(_recall(model, one.label) for model in models)
        rows.append((one.label, (f"{one.images:,}", *recalls)))
    return Table("true class", columns, tuple(rows))


def without_recall(report: Report) -> Table:
    """Return the artifacts that :func:`class_table` has no column for, with the figure that says why."""
    rows = [
        (one.key, (next((c.recall for c in one.accuracy.classes), one.accuracy.accuracy),))
        for one in report.artifacts
        if not has_recall(one)
    ]
    return Table("artifact", ("recall",), tuple(rows))


def has_recall(artifact: ArtifactReport) -> bool:
    """Return whether at least one class of the artifact has a recall."""
    return any(one.recall.known for one in artifact.accuracy.classes)


def images_read(data: DatasetSummary) -> str:
    """Return what became of a data set's images, in words; of an older report only what it knows."""
    if data.account is not None:
        return data.account.sentence
    twins = "an unknown number" if data.leaked is None else str(data.leaked)
    return f"{data.images:,} images, {twins} of them with a pixel-identical twin in the training split"


def model_sentence(report: Report) -> Sentence:
    """Return the line about the float model."""
    model, spec = report.model, report.model.contract.input
    leaked = f", {report.dataset.leaked:,} with a twin in the training split" if report.dataset.leaked else ""
    return (
        f"{spec.height} x {spec.width} {spec.color} input, {len(model.contract.labels)} labels, ",
        model.parameters,
        " parameters, ",
        model.macs,
        " multiply-accumulates. Float accuracy ",
        report.float_accuracy.accuracy,
        f" on {report.dataset.name} ({report.dataset.images:,} images{leaked}).",
    )


def headline(report: Report, artifact: ArtifactReport) -> Sentence:
    """Return what is known of one artifact in words: facts, no verdict."""
    parts: list[Cell] = ["Takes ", artifact.size, f"; {artifact.delegation.backend} runs "]
    parts += [artifact.delegation.share, " of its operators. "]
    accuracy, parity = artifact.accuracy.accuracy, artifact.parity
    parts += ["Accuracy ", accuracy]
    if accuracy.known:
        parts += [
            ", a drop of ",
            parity.drop,
            " against the float model; on these images limits from ",
            parity.smallest_drop,
            " can be shown to hold. Flips: ",
            flip_count(artifact),
            ". ",
        ]
        if parity.worst_class is not None:
            parts += [f"Largest loss of recall: {parity.worst_class}, ", parity.worst_class_drop, ". "]
    else:
        parts.append(". ")
    times = [
        (device.market_name, one.latency_p50, one.invalid)
        for device in report.devices
        for one in device.figures
        if one.artifact == artifact.key
    ]
    for number, (name, time, invalid) in enumerate(times):
        parts += [f"{'; on ' if number else 'Median latency on '}{name} ", time]
        if invalid:
            parts.append(f" ({INVALID}: {'; '.join(invalid)})")
    if times:
        parts.append(".")
    return tuple(parts)


def flip_count(artifact: ArtifactReport) -> str:
    """Return the number of flips, or that it is unknown: an empty list without agreement is not zero flips."""
    return f"{len(artifact.parity.flips):,}" if artifact.parity.agreement.known else "not measured"


def flip_groups(flips: tuple[Flip, ...]) -> tuple[FlipGroup, ...]:
    """Return the flips grouped by true class, reference and artifact class, the largest group first."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for flip in flips:
        groups.setdefault((flip.label, flip.reference, flip.artifact), []).append(flip.row)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(FlipGroup(*names, tuple(sorted(rows))) for names, rows in ordered)


def flip_table(artifact: ArtifactReport) -> Table:
    """Return the flips of an artifact, one row per pair of classes."""
    return flip_table_of(artifact.parity.flips)


def flip_table_of(flips: tuple[Flip, ...]) -> Table:
    """Return flips, one row per pair of classes."""
    rows = tuple(
        (
            group.label,
            (group.reference, group.artifact, f"{len(group.rows):,}", ", ".join(map(str, group.rows))),
        )
        for group in flip_groups(flips)
    )
    return Table("true class", ("float says", "artifact says", "images", "rows"), rows)


def table_grounds(table: Table) -> dict[str, str]:
    """Return how the table's figures were obtained: each distinct way, and the figures it holds for."""
    ways: dict[str, dict[str, list[str]]] = {}
    for row, column, figure in table.figures():
        if figure.known:
            ways.setdefault(grounds(figure), {}).setdefault(column, []).append(row)
    everyone = [name for name, _ in table.rows]
    return {way: _where(columns, everyone) for way, columns in ways.items()}


def cell_runs(table: Table, cells: tuple[Cell, ...]) -> tuple[CellRun, ...]:
    """Return a row's cells, neighbours that are missing for the same reason taken together."""
    runs: list[CellRun] = []
    for column, cell in zip(table.columns, cells, strict=True):
        last = runs[-1].cell if runs else None
        if _is_gap(cell) and _is_gap(last) and cell.reason == last.reason:
            runs[-1] = CellRun((*runs[-1].columns, column), last)
        else:
            runs.append(CellRun((column,), cell))
    return tuple(runs)


def _is_gap(cell: Cell | None) -> TypeGuard[Measurement]:
    return isinstance(cell, Measurement) and not cell.known


def _where(columns: dict[str, list[str]], everyone: list[str]) -> str:
    """Return e.g. ``size, accuracy (all rows); drop (onnx-float)``: columns with the same rows share them."""
    by_rows: dict[tuple[str, ...], list[str]] = {}
    for column, names in columns.items():
        by_rows.setdefault(tuple(names), []).append(column)
    return "; ".join(
        f"{', '.join(map(clean, names))} ({_rows(where, everyone)})" for where, names in by_rows.items()
    )


def _rows(where: tuple[str, ...], everyone: list[str]) -> str:
    """Return the row names, or those left out where that is the shorter list."""
    rest = [name for name in everyone if name not in where]
    if len(rest) < len(where):
        return "all rows" if not rest else f"all rows but {', '.join(map(clean, rest))}"
    return ", ".join(map(clean, where))


def _recall(model: AccuracyFigures, label: str) -> Measurement:
    """Return the recall of ``label``; a model that has no such class says so instead of shifting a column."""
    found = next((one.recall for one in model.classes if one.label == label), None)
    if found is not None:
        return found
    return not_measured(Unit.FRACTION, "no figure for this class")
