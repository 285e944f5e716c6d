"""``fer-deploy compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import Number, data_options, foreign_model_options, split_option
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from fer_deploy.data.registry import Role
    from fer_deploy.measure.comparison import Comparison

_SHOWN_FLIPS = 20


@click.command("compare")
@click.argument("first")
@click.argument("second")
@foreign_model_options
@data_options
@split_option
@click.option("--images", type=click.IntRange(min=1), help="Compare on the first N images only.")
@click.option(
    "--part-below",
    type=Number(),
    default=20.0,
    show_default=True,
    metavar="DB",
    help="SQNR below which a layer counts as parted.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, every flip included.")
def command(
    first: str,
    second: str,
    contract: Path | None,
    weights: Path | None,
    dataset: str | None,
    data: Path | None,
    split: Role,
    images: int | None,
    part_below: float,
    as_json: bool,
) -> None:
    """Compare two artifacts, or an artifact and its float model, on the same images.

    FIRST, the reference, and SECOND are each an artifact folder, a zoo folder, a .pt2 or package.module:factory.
    """
    from fer_deploy.cli.console import stdout_console
    from fer_deploy.pipeline.compare import compare
    from fer_deploy.pipeline.evaluate import dataset_spec

    found = compare(first, second, dataset_spec(dataset, data), split, images, part_below, contract, weights)
    if as_json:
        print_json(found.model_dump_json(indent=2))
        return
    _print(stdout_console(), found)


def _print(console: Console, found: Comparison) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.report.wording import clean, describe
    from fer_deploy.views.sections.comparison import compared_figures

    parity = found.parity
    console.print(Text(clean(f"first:  {found.first}")))
    console.print(Text(clean(f"second: {found.second}")))
    console.print(Text(clean(f"on {found.images:,} images of {found.dataset}: {found.account.sentence}")))
    table = Table("figure", "value")
    for label, figure in compared_figures(found):
        table.add_row(Text(clean(label)), Text(describe(figure)))
    console.print(table)
    if parity.flips:
        flips = Table("row", "label", "first", "second", title=f"{len(parity.flips):,} flips")
        for flip in parity.flips[:_SHOWN_FLIPS]:
            flips.add_row(
                str(flip.row),
                Text(clean(flip.label)),
                Text(clean(flip.reference)),
                Text(clean(flip.artifact)),
            )
        console.print(flips)
        if len(parity.flips) > _SHOWN_FLIPS:
            console.print(f"and {len(parity.flips) - _SHOWN_FLIPS:,} more; --json lists all")
    _print_layers(console, found)


def _print_layers(console: Console, found: Comparison) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.report.wording import clean, describe

    if found.layers_reason is not None:
        console.print(Text(clean(f"layers not compared: {found.layers_reason}")))
        return
    table = Table("layer", "SQNR", "largest difference")
    for layer in found.layers:
        ratio = "equal" if layer.equal else describe(layer.sqnr)
        table.add_row(Text(clean(layer.name)), Text(ratio), f"{layer.max_difference:.3g}")
    console.print(table)
    console.print(Text(clean(f"first layer not equal: {found.first_difference or 'none'}")))
    console.print(
        Text(clean(f"first layer below {found.part_below_db:g} dB: {found.first_parting or 'none'}"))
    )
