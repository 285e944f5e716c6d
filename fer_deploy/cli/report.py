"""``fer-deploy report``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fer_deploy.cli.options import PATH
from fer_deploy.cli.streams import print_json


@click.command("report")
@click.argument("reports", nargs=-1, type=PATH)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of report.json and exit.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(reports: tuple[Path, ...], schema: bool, as_json: bool) -> None:
    """Print a report in full, or what changed between two.

    One REPORT is printed with all its tables. Of two, the figures of the second that are worse or better than those
    of the first beyond noise are printed, each with what else changed between the runs; a change that nothing
    explains is called unexplained.
    """
    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.schema import Report, load_report
    from fer_deploy.views.terminal import print_changes, print_report

    if schema:
        print_json(json.dumps(Report.model_json_schema(), indent=2))
        return
    if len(reports) not in (1, 2):
        raise click.UsageError("name one report, or two to compare")
    loaded = [load_report(path) for path in reports]
    if len(loaded) == 1:
        if as_json:
            print_json(loaded[0].model_dump_json(indent=2))
        else:
            print_report(loaded[0], stdout_console())
        return
    from fer_deploy.errors import ArtifactError
    from fer_deploy.gate.changes import changes, comparable

    obstacle = comparable(*loaded)
    if obstacle is not None:
        raise ArtifactError(f"{reports[0]} cannot be compared with: {obstacle}")
    found = changes(*loaded)
    if as_json:
        print_json(
            json.dumps([one.model_dump(mode="json") | {"message": one.message} for one in found], indent=2)
        )
    else:
        print_changes(found, stdout_console())
