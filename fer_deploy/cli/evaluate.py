"""``fer-deploy evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import data_options, foreign_model_options, protocol_option, split_option
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.data.faces import Faces
    from fer_deploy.data.registry import Role
    from fer_deploy.measure.figures import AccuracyFigures, CorruptedFigures


@click.command("evaluate")
@click.argument("model")
@foreign_model_options
@data_options
@split_option
@protocol_option
@click.option(
    "--corruptions", is_flag=True, help="Spoil some of the images in 22 ways, at 3 severities each."
)
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="Test images that --corruptions draws.",
)
@click.option(
    "--flips-of", metavar="ARTIFACT", help="With --corruptions: how often it answers otherwise than MODEL."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    model: str,
    contract: Path | None,
    weights: Path | None,
    dataset: str | None,
    data: Path | None,
    split: Role,
    protocol: str | None,
    corruptions: bool,
    images: int,
    flips_of: str | None,
    as_json: bool,
) -> None:
    """Print how a model or an artifact classifies a test set.

    MODEL is a zoo folder, a .pt2, package.module:factory, or an artifact folder.
    """
    from fer_deploy.data.account import account_of
    from fer_deploy.pipeline.evaluate import dataset_spec, evaluate

    if flips_of is not None and not corruptions:
        raise click.UsageError(
            "--flips-of counts under --corruptions; on clean images use 'fer-deploy compare'"
        )
    if corruptions:
        from fer_deploy.pipeline.config import CorruptionsSection
        from fer_deploy.pipeline.corrupted import evaluate_corrupted

        asked = CorruptionsSection(images=images)
        found = evaluate_corrupted(
            model, contract, weights, dataset_spec(dataset, data, protocol), split, asked, flips_of
        )
        _print_corrupted(model, flips_of, *found, as_json)
        return
    faces, figures = evaluate(model, contract, weights, dataset_spec(dataset, data, protocol), split)
    if as_json:
        account = account_of(faces).model_dump(mode="json")
        print_json(json.dumps({**figures.model_dump(mode="json"), "account": account}, indent=2))
        return
    _print(f"{model} on {faces.name}: {account_of(faces).sentence}", figures)


def _print(name: str, figures: AccuracyFigures) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import clean, describe

    console = stdout_console()
    console.print(Text(clean(name)))
    table = Table("figure", "value")
    agreed = figures.accuracy_where_agreed
    rows = [
        ("accuracy", figures.accuracy),
        ("without leaked images", figures.accuracy_without_leaked),
        *([("where most annotators agree", agreed)] if agreed is not None else []),
        ("balanced accuracy", figures.balanced_accuracy),
        ("calibration error", figures.ece),
        *([("answered", figures.answered)] if figures.answered is not None else []),
        *(
            [("accuracy of the answered", figures.accuracy_of_answered)]
            if figures.accuracy_of_answered is not None
            else []
        ),
        *((f"recall of {one.label} ({one.images:,} images)", one.recall) for one in figures.classes),
    ]
    for label, figure in rows:
        table.add_row(Text(clean(label)), Text(describe(figure)))
    console.print(table)


def _print_corrupted(
    model: str,
    artifact: str | None,
    faces: Faces,
    figures: CorruptedFigures,
    compared: CorruptedFigures | None,
    as_json: bool,
) -> None:
    if as_json:
        both = {"model": figures, "artifact": compared} if compared is not None else {"model": figures}
        print_json(json.dumps({name: one.model_dump(mode="json") for name, one in both.items()}, indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import amount, clean, interval
    from fer_deploy.views.sections.corruption import kinds_table

    console = stdout_console()
    for name, one in ((model, figures), (artifact, compared)):
        if one is None:
            continue
        table = kinds_table(one)
        console.print(Text(clean(f"{name} on {one.images:,} images of {faces.name}, {one.clean.provenance}")))
        shown = Table(table.corner, *table.columns)
        for row, cells in table.rows:
            # The severities' intervals would not fit a terminal; --json has them.
            words = [
                cell
                if isinstance(cell, str)
                else f"{amount(cell)} {'' if column.startswith('severity') else interval(cell)}".strip()
                for column, cell in zip(table.columns, cells, strict=True)
            ]
            shown.add_row(*(Text(clean(word)) for word in (row, *words)))
        console.print(shown)
