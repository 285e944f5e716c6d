"""``fer-deploy layers``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import PATH
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.measure.layer_times import LayerProfile


@click.command("layers")
@click.argument("artifact", type=PATH)
@click.option("--device", default="host", show_default=True, help="Device profile; see `fer-deploy devices`.")
@click.option("--address", help="Which device: an ssh host or alias, or a phone's serial number.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads.")
@click.option("--json", "as_json", is_flag=True, help="Print the profile as JSON.")
def command(artifact: Path, device: str, address: str | None, threads: int, as_json: bool) -> None:
    """Show where the time goes inside ARTIFACT (a folder), and what is not delegated.

    The runtime's own profiler, beside each operator's multiply-accumulates and data.
    """
    from fer_deploy.devices.choice import chosen
    from fer_deploy.devices.timing import TimingProtocol
    from fer_deploy.devices.transports.open import open_transport
    from fer_deploy.measure.layer_times import profile_layers
    from fer_deploy.targets.artifact import open_artifact

    opened = open_artifact(artifact)
    transport = open_transport(chosen(device, address).profile, address)
    profile = profile_layers(transport, opened, TimingProtocol(threads=threads))
    if as_json:
        print_json(profile.model_dump_json(indent=2))
        return
    _print(profile)


def _print(profile: LayerProfile) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import amount

    table = Table("operator", "runs in", title=f"{profile.artifact}, operators in the order they run")
    for heading in ("time", "share", "MACs", "bytes"):
        table.add_column(heading, justify="right")
    for layer in profile.layers:
        figures = (layer.time, layer.share, layer.macs, layer.bytes)
        cells = [layer.name, layer.place, *(amount(figure) if figure.known else "" for figure in figures)]
        table.add_row(*(Text(cell) for cell in cells), style=None if layer.delegated else "yellow")
    console = stdout_console()
    console.print(table)
    outside = ", ".join(profile.not_delegated) or "nothing"
    console.print(
        Text(f"sum of the operators, profiling on: {amount(profile.total)}; not delegated: {outside}")
    )
    if not any(layer.macs.known for layer in profile.layers):
        console.print(Text(f"no MACs and bytes: {profile.layers[0].macs.reason}"))
