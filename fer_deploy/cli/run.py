"""``fer-deploy run``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_deploy.cli.options import (
    PATH,
    ExportCommand,
    config_option,
    configuration,
    data_options,
    export_options,
    model_options,
)
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.progress import Stages


@click.command("run", cls=ExportCommand)
@config_option
@model_options
@data_options
@click.option("--target", "targets", multiple=True, help="executorch, onnx or coreml; may be given again.")
@export_options
@click.option("--device", "devices", multiple=True, help="Device profile to report on; may be given again.")
@click.option(
    "--result",
    "results",
    multiple=True,
    type=PATH,
    help="timing.json that the iOS demo wrote on an iPhone that --device names.",
)
@click.option("--threads", type=int, help="CPU threads while timing.")
@click.option("--fresh", is_flag=True, help="Reuse nothing of an earlier run.")
@click.option("--timings", is_flag=True, help="Print where the time went, on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON instead of tables.")
def command(config: Path | None, fresh: bool, timings: bool, as_json: bool, **flags: Any) -> None:
    """Quantize, export, profile and report: the whole job.

    Reads fer-deploy.toml, writes dist/MODEL/TARGET-RECIPE/ for every target and recipe, compares each artifact with
    the float model on the whole test split, times it, and writes report.json, report.md and report.html beside them.
    What cannot be made is named in the report, and the exit code is 2; it is 4 where a device is attached and nothing
    was measured on it.
    An interrupted run resumes: complete results that were made from the same inputs are reused.
    """
    from fer_deploy.pipeline.run import Run

    job = Run(configuration(config, **flags), shlex.join(["fer-deploy", *sys.argv[1:]]), fresh)
    report = job.report()
    if timings:
        _print_timings(job.stages)
    if as_json:
        print_json(report.model_dump_json(indent=2))
    else:
        from fer_deploy.cli.console import stdout_console
        from fer_deploy.views.terminal import print_summary

        print_summary(report, stdout_console())
        for view in job.views.values():
            click.echo(f"report: {view}")
    if report.missing:
        from fer_deploy.errors import TargetError

        made = len(report.artifacts)
        names = ", ".join(one.key for one in report.missing)
        raise TargetError(
            f"{len(report.missing)} of {made + len(report.missing)} artifacts were not made: {names}; the report's "
            "warnings say why"
        )
    unmeasured = [one.nothing_measured for one in report.devices if one.nothing_measured is not None]
    if unmeasured:
        from fer_deploy.errors import NotMeasuredError

        raise NotMeasuredError("; ".join(unmeasured))


def _print_timings(stages: Stages) -> None:
    for name, seconds in stages.seconds.items():
        click.echo(f"{seconds:7.1f} s  {seconds / stages.total:4.0%}  {name}", err=True)
    click.echo(f"{stages.total:7.1f} s  total", err=True)
