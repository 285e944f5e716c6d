"""``fer-deploy evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import data_options, foreign_model_options, protocol_option, split_option
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.data.registry import Role
    from fer_deploy.measure.figures import AccuracyFigures


@click.command("evaluate")
@click.argument("model")
@foreign_model_options
@data_options
@split_option
@protocol_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    model: str,
    contract: Path | None,
    weights: Path | None,
    dataset: str | None,
    data: Path | None,
    split: Role,
    protocol: str | None,
    as_json: bool,
) -> None:
    """Print how a model or an artifact classifies a test set.

    MODEL is a zoo folder, a .pt2, package.module:factory, or an artifact folder.
    """
    from fer_deploy.data.account import account_of
    from fer_deploy.pipeline.evaluate import dataset_spec, evaluate

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
        *((f"recall of {one.label} ({one.images:,} images)", one.recall) for one in figures.classes),
    ]
    for label, figure in rows:
        table.add_row(Text(clean(label)), Text(describe(figure)))
    console.print(table)
