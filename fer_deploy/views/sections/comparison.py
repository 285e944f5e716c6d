"""Two artifacts, or an artifact and its model, on the same images."""

from __future__ import annotations

from fer_deploy.measure.comparison import Comparison
from fer_deploy.measure.measurement import Measurement
from fer_deploy.views.blocks import Block, Folded, Grid, Items, Say, Section, Text
from fer_deploy.views.tables import Cell, Table

_SHOWN_FLIPS = 20


def compared_figures(found: Comparison) -> tuple[tuple[str, Measurement], ...]:
    """Return the figures on all images, each with its name."""
    parity = found.parity
    return (
        ("top-1 agreement", parity.agreement),
        ("accuracy of first minus second", parity.drop),
        (f"largest drop in recall ({parity.worst_class})", parity.worst_class_drop),
        ("largest logit difference", parity.max_logit_difference),
        ("RMS logit difference", parity.rms_logit_difference),
        ("SQNR of the logits", parity.sqnr),
    )


def compared(found: Comparison) -> Section:
    """Return the figures, the first flips and the layers of a comparison."""
    names: tuple[Text, ...] = ((f"first: {found.first}",), (f"second: {found.second}",))
    rows: tuple[tuple[str, tuple[Cell, ...]], ...] = tuple(
        (name, (figure,)) for name, figure in compared_figures(found)
    )
    blocks: tuple[Block, ...] = (
        Items(names),
        Say((f"On {found.images:,} images of {found.dataset}: {found.account.sentence}.",), fine=True),
        Grid(Table("figure", ("value",), rows), "The second against the first"),
        *_flips(found),
        *_layers(found),
    )
    return Section("Comparison", "comparison", blocks, summary=True)


def _flips(found: Comparison) -> tuple[Block, ...]:
    flips = found.parity.flips
    if not flips:
        return ()
    rows: tuple[tuple[str, tuple[Cell, ...]], ...] = tuple(
        (str(one.row), (one.label, one.reference, one.artifact)) for one in flips[:_SHOWN_FLIPS]
    )
    table = Grid(Table("row", ("label", "first", "second"), rows), "Flips", look="cards words")
    more = len(flips) - len(rows)
    rest = (Say((f"And {more:,} more.",), fine=True),) if more else ()
    return (Folded((f"{len(flips):,} flips",), (table, *rest)),)


def _layers(found: Comparison) -> tuple[Block, ...]:
    if found.layers_reason is not None:
        return (Say((f"Layers not compared: {found.layers_reason}",), fine=True),)
    rows: tuple[tuple[str, tuple[Cell, ...]], ...] = tuple(
        (one.name, ("equal" if one.equal else one.sqnr, f"{one.max_difference:.3g}")) for one in found.layers
    )
    first = f"first layer below {found.part_below_db:g} dB: {found.first_parting or 'none'}"
    table = Grid(Table("layer", ("SQNR", "largest difference"), rows), "Layer by layer")
    return (Folded((f"{len(rows)} layers; {first}",), (table,)),)
