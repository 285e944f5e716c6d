"""``fer-deploy search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.experiment import experiment_options, printed_command, writable_folders
from fer_deploy.cli.options import PATH
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.experiments.search_schema import SearchReport


@click.command("search")
@click.argument("search", type=PATH)
@experiment_options
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
    from fer_deploy.experiments.search_schema import load_search

    spec = load_search(search, data)
    folder, runs = writable_folders(search, spec.name, output, work_dir)
    import torch

    from fer_deploy.experiments.search import Searcher
    from fer_deploy.experiments.search_schema import write_search

    if threads is not None:
        torch.set_num_threads(threads)
    report = Searcher(spec, runs, device).run(printed_command("search", search, device, threads))
    written = write_search(report, folder)
    if as_json:
        print_json(report.model_dump_json(indent=2))
        return
    _print_table(report)
    click.echo(f"{written['search.md']}")


def _print_table(report: SearchReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import amount, clean, interval

    table = Table("rank", "candidate", "parameters", "MACs", "accuracy")
    for rank, row in enumerate(report.rows, 1):
        accuracy = f"{amount(row.accuracy)} {interval(row.accuracy)}"
        table.add_row(
            str(rank), Text(clean(row.label)), amount(row.parameters), amount(row.macs), Text(accuracy)
        )
    stdout_console().print(table)
