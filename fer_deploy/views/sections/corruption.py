"""Accuracy and flips under corruption."""

from __future__ import annotations

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.figures import CorruptedFigures
from fer_deploy.report.schema import Report
from fer_deploy.views.blocks import Block, Folded, Grid, Say, Section
from fer_deploy.views.tables import FLOAT_ROW, Cell, Table

#: Columns of artifacts that fit beside a kind's name in a terminal.
_COLUMNS = 6
#: Heads the column of how often the class is the reference's.
AGREEMENT = "same top-1 as float"


def corruption(report: Report, _: Check | None) -> Section | None:
    """Return how much of accuracy and parity survives spoilt pictures; None where nobody asked."""
    known = _known(report)
    if not known:
        return None
    some = known[0][1]
    note = (
        f"{some.images:,} of the test images under each of {len(some.kinds)} kinds of corruption at "
        f"{len(some.kinds[0].strengths)} severities, the same pictures for all; means over all of them. Intervals are "
        "over the images."
    )
    tables = (
        (accuracy_by_kind(report), "Accuracy under each kind of corruption"),
        (agreement_by_kind(report), "Same top-1 class as the float model under each kind of corruption"),
    )
    blocks: tuple[Block, ...] = (
        Say((note,), fine=True),
        Grid(summary_table(report), "Under corruption", intervals=True),
        *(
            Folded((f"{caption}, in numbers",), (Grid(table, caption, look="matrix", pieces=_COLUMNS),))
            for table, caption in tables
            if table.rows
        ),
    )
    return Section("Under corruption", "corruption", blocks)


def _known(report: Report) -> list[tuple[str, CorruptedFigures]]:
    everyone = [
        (FLOAT_ROW, report.float_corrupted),
        *((one.key, one.corrupted) for one in report.artifacts),
    ]
    return [(name, figures) for name, figures in everyone if figures is not None]


def summary_table(report: Report) -> Table:
    """Return the means, a row to the float model and to each artifact that was asked."""
    columns = ("clean", "corrupted", "kinds held out of training", AGREEMENT)
    rows: list[tuple[str, tuple[Cell, ...]]] = [
        (name, (one.clean, one.accuracy, one.held_out, one.agreement or "–")) for name, one in _known(report)
    ]
    return Table("artifact", columns, tuple(rows))


def accuracy_by_kind(report: Report) -> Table:
    """Return each kind's mean accuracy over its severities, a column to the float model and to each artifact."""
    known = _known(report)
    columns = ("in training", *(name for name, _ in known))
    rows: list[tuple[str, tuple[Cell, ...]]] = [
        (kind.kind, (kind.role, *(one.kinds[place].accuracy for _, one in known)))
        for place, kind in enumerate(known[0][1].kinds)
    ]
    return Table("kind", columns, tuple(rows))


def agreement_by_kind(report: Report) -> Table:
    """Return how often each artifact answers as the float model under each kind."""
    known = [(name, one) for name, one in _known(report) if one.agreement is not None]
    if not known:
        return Table("kind", (), ())
    rows: list[tuple[str, tuple[Cell, ...]]] = [
        (kind.kind, tuple(one.kinds[place].agreement or "–" for _, one in known))
        for place, kind in enumerate(known[0][1].kinds)
    ]
    return Table("kind", tuple(name for name, _ in known), tuple(rows))


def kinds_table(figures: CorruptedFigures) -> Table:
    """Return one model's accuracy by kind and severity, the means first."""
    known = figures.agreement is not None
    severities = tuple(f"severity {place + 1}" for place in range(len(figures.kinds[0].strengths)))
    columns = ("in training", *severities, "mean", *((AGREEMENT,) if known else ()))
    gap = ("",) * len(severities)
    rows: list[tuple[str, tuple[Cell, ...]]] = [
        ("none", ("", *gap, figures.clean, *(("",) if known else ()))),
        ("mean of all", ("", *gap, figures.accuracy, *((figures.agreement or "",) if known else ()))),
        ("mean of those held out", ("held out", *gap, figures.held_out, *(("",) if known else ()))),
    ]
    for kind in figures.kinds:
        agreement = (kind.agreement or "",) if known else ()
        rows.append((kind.kind, (kind.role, *kind.accuracies, kind.accuracy, *agreement)))
    return Table("corruption", columns, tuple(rows))
