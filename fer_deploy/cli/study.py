"""``fer-deploy study``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import PATH

if TYPE_CHECKING:
    from fer_deploy.report.study import StudyReport


@click.command("study", short_help="Train architectures under the same conditions and compare them.")
@click.argument("study", type=PATH)
@click.option("--data", type=PATH, help="The dataset's file or folder.  [default: the study's]")
@click.option("--work-dir", type=PATH, help="Checkpoints and models.  [default: runs/NAME of the study]")
@click.option("--output", type=PATH, help="Table and plots.  [default: NAME beside the study file]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or another torch device.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: torch's choice]")
@click.option("--json", "as_json", is_flag=True, help="Print the study as JSON.")
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
    from fer_deploy.files import require_writable_folder
    from fer_deploy.pipeline.study_spec import load_study

    spec = load_study(study, data)
    folder = output or study.parent / spec.name
    runs = work_dir or Path("runs") / spec.name
    require_writable_folder(folder)
    require_writable_folder(runs)
    from fer_deploy.pipeline.study import run_study
    from fer_deploy.report.study_write import write_study

    # without the paths of this machine: the command is committed with the table
    words = [
        "fer-deploy",
        "study",
        study.name if study.is_absolute() else study.as_posix(),
        "--device",
        device,
    ]
    words += ["--threads", str(threads)] if threads else []
    report = run_study(spec, runs, shlex.join(words), device, threads)
    written = write_study(report, folder)
    if as_json:
        click.echo(report.model_dump_json(indent=2))
        return
    _print_table(report)
    click.echo(f"{written['study.md']}")


def _print_table(report: StudyReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.format import amount, clean, interval

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
