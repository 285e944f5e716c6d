"""``fer-deploy study``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.experiment import experiment_options, printed_command, writable_folders
from fer_deploy.cli.options import PATH
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.experiments.study_schema import StudyReport


@click.command("study")
@click.argument("study", type=PATH)
@experiment_options
def command(
    study: Path,
    data: Path | None,
    work_dir: Path | None,
    output: Path | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Train architectures under the same conditions and compare them.

    STUDY is a TOML file: studies/small.toml is for a CPU, studies/full.toml for a GPU. A study that was stopped goes
    on when the same command is given again. Accuracy is that of the validation split; the test split stays untouched.
    """
    from fer_deploy.experiments.study_schema import load_study

    spec = load_study(study, data)
    folder, runs = writable_folders(study, spec.name, output, work_dir)
    from fer_deploy.experiments.study import run_study
    from fer_deploy.experiments.study_page import write_study

    report = run_study(spec, runs, printed_command("study", study, device, threads), device, threads)
    written = write_study(report, folder)
    if as_json:
        print_json(report.model_dump_json(indent=2))
        return
    _print_table(report)
    click.echo(f"{written['study.md']}")


def _print_table(report: StudyReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import amount, clean, interval

    table = Table("architecture", "parameters", "accuracy", "int8", "int8 size", "p50")
    for row in sorted(report.rows, key=lambda row: row.accuracy.value or 0.0, reverse=True):
        table.add_row(
            Text(clean(row.label)),
            amount(row.parameters),
            Text(f"{amount(row.accuracy)} {interval(row.accuracy)}"),
            amount(row.int8_accuracy),
            amount(row.int8_size),
            amount(row.int8_latency),
        )
    stdout_console().print(table)
