"""``fer-deploy calibrate``."""

from __future__ import annotations

from pathlib import Path

import click

from fer_deploy.cli.options import config_option, data_options


@click.command("calibrate")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@config_option
@data_options
def command(folder: Path, config: Path | None, dataset: str | None, data: Path | None) -> None:
    """Keep the ranges that calibration images give beside a model's weights.

    FOLDER is a zoo folder, such as models/fer_s. Writes calibration.json there: int8 artifacts are then made without
    the images, and are the same bytes. It holds for these weights, this contract and the configuration's [quantize].

    Example: fer-deploy calibrate models/fer_s
    """
    from fer_deploy.cli.options import configuration
    from fer_deploy.pipeline.calibrate import calibrate

    chosen = configuration(config, dataset=dataset, data=data)
    file, kept = calibrate(folder, chosen.data, chosen.quantize)
    click.echo(f"{file}: {len(kept.ranges)} ranges from {len(kept.rows):,} images of {kept.dataset}")
