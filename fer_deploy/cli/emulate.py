"""``fer-deploy emulate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import PATH
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.measure.processor_parity import ProcessorParity


@click.command("emulate")
@click.argument("artifacts", nargs=-1, required=True, type=PATH)
@click.option("--device", help="Device profile whose processor is emulated; see `fer-deploy devices`.")
@click.option(
    "--cpu", help="Processor model of qemu instead, e.g. cortex-a53, or Haswell with --arch x86_64."
)
@click.option("--arch", type=click.Choice(["aarch64", "x86_64"]), default="aarch64", show_default=True)
@click.option(
    "--images",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Synthetic pictures to run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.pass_context
def command(
    context: click.Context,
    artifacts: tuple[Path, ...],
    device: str | None,
    cpu: str | None,
    arch: str,
    images: int,
    as_json: bool,
) -> None:
    """Run ARTIFACTS (folders) on the processor of a device as qemu emulates it, and compare with this machine.

    The device's own machine code runs: logits and instruction counts are its own, time is not and is not given.
    Ends with 3 when a logit differs by more than the artifact's golden.json allows.
    """
    from fer_deploy.devices.profile import resolve
    from fer_deploy.devices.transports.emulated import EmulatedTransport
    from fer_deploy.devices.transports.open import open_emulated
    from fer_deploy.measure.processor_parity import processor_parity, synthetic_pictures
    from fer_deploy.progress import say, track
    from fer_deploy.targets.artifact import open_artifact

    if (device is None) == (cpu is None):
        raise click.UsageError("give --device or --cpu, one of both")
    if device is not None:
        resolved = resolve(device)
        if resolved.notice is not None:
            say(resolved.notice)
        transport = open_emulated(resolved.profile)
    else:
        transport = EmulatedTransport(str(cpu), "x86_64" if arch == "x86_64" else "aarch64")
    opened = [open_artifact(folder) for folder in artifacts]
    found = []
    for artifact in track(opened, transport.device):
        pixels = synthetic_pictures(artifact.info.contract.input, images)
        found.append(processor_parity(artifact, transport, pixels))
    if as_json:
        print_json(
            json.dumps([{**one.model_dump(mode="json"), "agrees": one.agrees} for one in found], indent=2)
        )
    else:
        _print(found)
    apart = [one.artifact for one in found if not one.agrees]
    if apart:
        say(f"on {transport.device}, logits differ by more than golden.json allows: {', '.join(apart)}")
    context.exit(3 if apart else 0)


def _print(found: list[ProcessorParity]) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import amount, clean

    table = Table("artifact", title=Text(clean(f"{found[0].processor}, {found[0].images} images")))
    for heading in ("bit-identical", "same class", "largest difference", "allowed", "instructions"):
        table.add_column(heading, justify="right")
    for one in found:
        figures = map(amount, (one.identical, one.same_class, one.difference))
        style = None if one.agrees else "red"
        cells = (one.artifact, *figures, f"{one.allowed:.3g}", amount(one.instructions))
        table.add_row(*(Text(clean(cell)) for cell in cells), style=style)
    console = stdout_console()
    console.print(table)
    for one in found:
        if not one.instructions.known:
            console.print(Text(clean(f"{one.artifact}: instructions not counted: {one.instructions.reason}")))
