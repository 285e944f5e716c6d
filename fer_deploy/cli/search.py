"""``fer-deploy search``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import PATH

if TYPE_CHECKING:
    from fer_deploy.report.search import SearchReport


@click.command("search", short_help="Search a space of architectures under a budget.")
@click.argument("search", type=PATH)
@click.option("--data", type=PATH, help="The dataset's file or folder.  [default: the search's]")
@click.option("--work-dir", type=PATH, help="One folder per candidate.  [default: runs/NAME of the search]")
@click.option("--output", type=PATH, help="The ranked table.  [default: NAME beside the search file]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or another torch device.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: torch's choice]")
@click.option("--json", "as_json", is_flag=True, help="Print the search as JSON.")
def command(
    search: Path,
    data: Path | None,
    work_dir: Path | None,
    output: Path | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Search a space of architectures under a budget of parameters and MACs or latency.

    SEARCH is a TOML file, e.g. studies/search.toml. Candidates are trained shortly, first at random, then by
    evolution. A search that was stopped goes on when the same command is given again.
    """
    from fer_deploy.files import require_writable_folder
    from fer_deploy.pipeline.search_spec import load_search

    spec = load_search(search, data)
    folder = output or search.parent / spec.name
    runs = work_dir or Path("runs") / spec.name
    require_writable_folder(folder)
    require_writable_folder(runs)
    import torch

    from fer_deploy.pipeline.search import Searcher
    from fer_deploy.report.search import write_search

    if threads is not None:
        torch.set_num_threads(threads)
    # without the paths of this machine: the command is committed with the table
    name = search.name if search.is_absolute() else search.as_posix()
    words = ["fer-deploy", "search", name, "--device", device]
    words += ["--threads", str(threads)] if threads else []
    report = Searcher(spec, runs, device).run(shlex.join(words))
    written = write_search(report, folder)
    if as_json:
        click.echo(report.model_dump_json(indent=2))
        return
    _print_table(report)
    click.echo(f"{written['search.md']}")


def _print_table(report: SearchReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.format import amount, clean, interval

    table = Table("rank", "candidate", "parameters", "MACs", "accuracy")
    for rank, row in enumerate(report.rows, 1):
        accuracy = f"{amount(row.accuracy)} {interval(row.accuracy)}"
        table.add_row(
            str(rank), Text(clean(row.label)), amount(row.parameters), amount(row.macs), Text(accuracy)
        )
    stdout_console().print(table)
