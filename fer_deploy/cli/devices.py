"""``fer-deploy devices``."""

from __future__ import annotations

import json

import click


@click.command("devices", short_help="List the device profiles.")
@click.option("--json", "as_json", is_flag=True, help="Print the profiles as JSON.")
def command(as_json: bool) -> None:
    """List the device profiles."""
    from fer_deploy.devices.profile import device_names, load_profile

    profiles = [load_profile(name) for name in device_names()]
    if as_json:
        click.echo(json.dumps([profile.model_dump(mode="json") for profile in profiles], indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console

    table = Table("device", "market name", "SoC", "system", "transport", "targets")
    for one in profiles:
        cells = (one.name, one.market_name, one.soc, one.os, one.transport, ", ".join(one.targets))
        table.add_row(*(Text(cell) for cell in cells))
    stdout_console().print(table)
