"""``fer-deploy baseline``."""

from __future__ import annotations

from pathlib import Path

import click

from fer_deploy.cli.options import PATH, config_option


@click.command("baseline")
@click.argument("report", type=PATH, required=False)
@config_option
@click.option(
    "--output", type=PATH, help="File to write.  [default: fer-deploy.reference.json by the configuration]"
)
def command(report: Path | None, config: Path | None, output: Path | None) -> None:
    """Write the reference that later checks are held to.

    REPORT is a report.json with its artifacts beside it; by default the one that `run` wrote. Commit the file: from
    then on `check` fails when a figure is worse than in it beyond noise, and says what is better.
    """
    from fer_deploy.pipeline.check import REFERENCE_FILE, default_report, write_reference
    from fer_deploy.pipeline.overrides import optional_config

    chosen = optional_config(config, needed=report is None)
    if report is None:
        assert chosen is not None
        report = default_report(chosen)
    goal = output or (config.parent if config is not None else Path()) / REFERENCE_FILE
    reference = write_reference(report, chosen, goal)
    click.echo(f"{goal}: {reference.model.name}, {len(reference.artifacts)} artifacts; commit it")
