"""``fer-deploy search``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.experiment import experiment_options, printed_command, writable_folders
from fer_deploy.cli.options import PATH
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.experiments.search_report import SearchReport


@click.command("search")
@click.argument("search", type=PATH)
@click.option(
    "--storage",
    metavar="URL",
    help="Database of trials (sqlite:///FILE, postgresql://...) or a journal file, shared by all who work on the "
    "search.  [default: search.journal in the output folder]",
)
@click.option(
    "--known",
    type=PATH,
    help="search.json of an earlier search with the same training: its candidates count as trained.",
)
@experiment_options
def command(
    search: Path,
    storage: str | None,
    known: Path | None,
    data: Path | None,
    work_dir: Path | None,
    output: Path | None,
    device: str,
    threads: int | None,
    as_json: bool,
) -> None:
    """Search a space of architectures under a budget of parameters and MACs or latency.

    SEARCH is a TOML file, e.g. studies/search.toml. Candidates are drawn by Optuna for accuracy and for cost, and
    trained shortly. A search that was stopped goes on when the same command is given again; several machines work
    on one search when each is given the same --storage.
    """
    from fer_deploy.experiments.search_schema import load_search
    from fer_deploy.experiments.search_storage import JOURNAL, require_optuna

    require_optuna()
    spec = load_search(search, data)
    from fer_deploy.experiments.search_known import known_trials

    earlier = known_trials(known, spec) if known is not None else []
    folder, runs = writable_folders(search, spec.name, output, work_dir)
    import torch

    from fer_deploy.experiments.search import Searcher
    from fer_deploy.experiments.search_report import write_search

    if threads is not None:
        torch.set_num_threads(threads)
    searcher = Searcher(spec, runs, storage or str(folder / JOURNAL), device)
    searcher.trials.add(earlier)
    printed = printed_command("search", search, device, threads)
    if known is not None:
        printed += f" --known {shlex.quote(known.name if known.is_absolute() else known.as_posix())}"
    report = searcher.run(printed)
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

    estimated = report.rows[0].estimate is not None
    table = Table("rank", "candidate", "parameters", "MACs", *["estimate"] * estimated, "accuracy", "front")
    front = report.front
    for rank, row in enumerate(report.rows, 1):
        stopped = f", stopped after epoch {row.stopped_after}" if row.stopped_after is not None else ""
        accuracy = f"{amount(row.accuracy)} {interval(row.accuracy)}{stopped}"
        costs = [amount(one) for one in (row.parameters, row.macs, row.estimate) if one is not None]
        mark = "yes" if row in front else ""
        table.add_row("–" if stopped else str(rank), Text(clean(row.label)), *costs, Text(accuracy), mark)
    stdout_console().print(table)
