"""``fer-deploy doctor``."""

from __future__ import annotations

import json

import click

from fer_deploy.cli.streams import print_json


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Compare versions with the pins, and say what can run here, what is missing and what adds it.

    Ends with 2 when the main job cannot run: quantizing, exporting and timing on this machine.
    """
    from fer_deploy.devices.health import examine

    checks = examine()
    stopped = [check for check in checks if check.stops]
    if as_json:
        print_json(
            json.dumps(
                {"ready": not stopped, "checks": [check.model_dump(mode="json") for check in checks]},
                indent=2,
            )
        )
    else:
        from rich.table import Table
        from rich.text import Text

        from fer_deploy.cli.console import stdout_console

        console = stdout_console()
        styles = {"ready": "green", "differs": "yellow", "missing": "red", "impossible here": "dim"}
        for area in ("packages", "targets", "transports"):
            table = Table(area, "status", "found", "needed for")
            for check in checks:
                if check.area == area:
                    status = Text(check.status, style=styles[check.status])
                    table.add_row(Text(check.name), status, Text(check.found), Text(check.needed_for))
            console.print(table)
        for check in checks:
            if check.add:
                console.print(Text(f"{check.name}: {check.add}"), soft_wrap=True)
        console.print(
            Text(
                "The main job cannot run: " + ", ".join(check.name for check in stopped)
                if stopped
                else "The main job can run: quantize, export and time on this machine."
            )
        )
    context.exit(2 if stopped else 0)
