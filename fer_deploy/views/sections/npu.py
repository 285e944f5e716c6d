"""What int8 artifacts answer on the NPUs of phones, as they are emulated here."""

from __future__ import annotations

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.figures import NpuFigures
from fer_deploy.report.schema import Report
from fer_deploy.views.blocks import Block, Folded, Grid, Say, Section
from fer_deploy.views.tables import Cell, Table, flip_table_of

_WHAT = (
    "Qualcomm’s library for PCs computes what a Snapdragon’s NPU answers, Arm’s TOSA reference model what the graph "
    "does that an Ethos-U’s compiler is given; that hardware gives the same to the bit is not established. The "
    "images whose two best classes the float model puts closest are run first; others count as unchanged while their "
    "margin is twice the largest shift seen."
)


def npu(report: Report, _: Check | None) -> Section | None:
    """Return accuracy, agreement and flips on emulated NPUs; None where nobody asked."""
    known = [(f"{one.key}, {figures.npu}", figures) for one in report.artifacts for figures in one.npu]
    if not known:
        return None
    columns = (
        "images run", "accuracy", "same top-1 as float", "same top-1 as here", "max logit difference", "output step",
        "flips",
    )  # fmt: skip
    rows = tuple((name, _cells(figures)) for name, figures in known)
    blocks: tuple[Block, ...] = (
        Say((_WHAT,), fine=True),
        Grid(Table("artifact, NPU", columns, rows), "On emulated NPUs", intervals=True),
        *(
            Folded(
                (f"{name}: {len(figures.flips):,} flips among {figures.images:,} images run",),
                (Grid(flip_table_of(figures.flips), f"Flipped images of {name}", look="cards flips"),),
            )
            for name, figures in known
            if figures.flips
        ),
        *(
            Say((f"{name} leaves to the CPU: {', '.join(figures.not_taken)}",), fine=True)
            for name, figures in known
            if figures.not_taken
        ),
    )
    return Section("On emulated NPUs", "npu", blocks)


def _cells(figures: NpuFigures) -> tuple[Cell, ...]:
    return (
        f"{figures.images:,} of {figures.of:,}",
        figures.accuracy,
        figures.agreement,
        figures.same_as_here,
        figures.max_logit_difference,
        "–" if figures.output_step is None else f"{figures.output_step:.3g}",
        f"{len(figures.flips):,}" if figures.images else "–",
    )
