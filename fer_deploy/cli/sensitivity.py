"""``fer-deploy sensitivity``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_deploy.cli.options import PATH, Number, data_options
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from fer_deploy.pipeline.sensitivity import SensitivityReport

_SVG = "http://www.w3.org/2000/svg"
_ROW_INCHES, _WIDTH_INCHES = 0.19, 7.2


@click.command("sensitivity")
@click.argument("model")
@click.option("--contract", type=PATH, help="Contract TOML of a .pt2 or a factory.")
@click.option("--weights", type=PATH, help="State dict of a factory's module (.safetensors or .pt).")
@data_options
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="Measure on the first N validation images.",
)
@click.option("--calibration-images", type=click.IntRange(min=2), default=512, show_default=True)
@click.option(
    "--observer",
    default="histogram",
    show_default=True,
    help="min-max, histogram, percentile or mse.",
)
@click.option(
    "--max-drop",
    type=Number(min=0),
    metavar="POINTS",
    help="Also find the fewest layers to leave in float so that accuracy drops by at most this; exit code 3 "
    "if there is no such choice.",
)
@click.option("--svg", type=PATH, help="Write the plot to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    model: str,
    contract: Path | None,
    weights: Path | None,
    dataset: str | None,
    data: Path | None,
    images: int,
    calibration_images: int,
    observer: str,
    max_drop: float | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Print and plot what quantizing each layer alone costs.

    MODEL is a zoo folder, a .pt2 or package.module:factory. Calibrates on the training split and measures on the
    validation split.
    """
    from fer_deploy.cli.console import stdout_console
    from fer_deploy.files import write_atomic
    from fer_deploy.pipeline.evaluate import dataset_spec
    from fer_deploy.pipeline.sensitivity import analyse
    from fer_deploy.quantize.recipe import parse_options

    found = analyse(
        model,
        contract,
        weights,
        dataset_spec(dataset, data),
        images,
        calibration_images,
        parse_options(observer=observer),
        max_drop,
    )
    if as_json:
        print_json(found.model_dump_json(indent=2))
    else:
        _print(stdout_console(), found)
    if svg is not None:
        # draw() makes an SVG for inside a page; a file of its own has to name its language
        write_atomic(svg, plot(found).replace("<svg ", f'<svg xmlns="{_SVG}" ', 1))


def _print(console: Console, found: SensitivityReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.report.wording import clean

    console.print(
        Text(clean(f"{found.model}: each layer quantized alone, {found.images:,} images of {found.dataset}"))
    )
    table = Table("layer", "own SQNR", "logits SQNR", "accuracy drop", "agreement")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in found.layers:
        table.add_row(
            Text(clean(row.layer)),
            _decibel(row.sqnr_db),
            _decibel(row.logits_sqnr_db),
            f"{row.drop_points:+.2f} points",
            f"{row.agreement:.2%}",
        )
    console.print(table)
    if found.float_layers is not None:
        left = ", ".join(found.float_layers) or "none"
        console.print(
            Text(
                clean(
                    f"left in float for a drop of at most {found.max_drop_points:g} points: {left} "
                    f"(drop {found.mixed_drop_points:+.2f} points)"
                )
            )
        )


def _decibel(value: float | None) -> str:
    return "no noise" if value is None else f"{value:.1f} dB"


def plot(found: SensitivityReport) -> str:
    """Return an SVG document: each layer's noise on the logits as a bar, the worst standing out."""
    from fer_deploy.views.svg import MORE, MUTED, draw

    rows = [row for row in found.layers if row.logits_sqnr_db is not None]
    worst = min((row.logits_sqnr_db for row in rows if row.logits_sqnr_db is not None), default=None)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(rows))
        colors = [MORE if row.logits_sqnr_db == worst else MUTED for row in rows]
        axes.barh(places, [row.logits_sqnr_db for row in rows], color=colors, height=0.7)
        axes.set_yticks(places, [row.layer for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="x")
        axes.set_xlabel("SQNR of the logits with this layer alone in int8, dB (shorter is more sensitive)")
        for place, row in zip(places, rows, strict=True):
            axes.annotate(
                f"{row.drop_points:+.2f}",
                (row.logits_sqnr_db, place),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
        axes.set_title("Sensitivity by layer; beside each bar, accuracy drop in points", loc="left")

    height = 1.1 + _ROW_INCHES * max(len(rows), 1)
    return draw(_WIDTH_INCHES, height, f"Sensitivity of {found.model}", paint)
