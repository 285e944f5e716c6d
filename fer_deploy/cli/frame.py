"""``fer-deploy frame``."""

from __future__ import annotations

from pathlib import Path

import click

from fer_deploy.cli.options import PATH, Number
from fer_deploy.cli.streams import print_json


@click.command("frame")
@click.argument("artifact", type=PATH)
@click.option("--device", default="host", show_default=True, help="Device profile; see `fer-deploy devices`.")
@click.option("--fps", type=Number(min=1, max=1000), default=30.0, show_default=True, help="Camera.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads.")
@click.option("--json", "as_json", is_flag=True, help="Print the budget as JSON.")
def command(artifact: Path, device: str, fps: float, threads: int, as_json: bool) -> None:
    """Set face detection, crop, classification and smoothing against the time of one frame.

    Every stage is measured, estimated or not measured with the reason.
    """
    from fer_deploy.devices.choice import chosen
    from fer_deploy.devices.timing import TimingProtocol
    from fer_deploy.measure.frame import frame_budget
    from fer_deploy.measure.latency import runtime_figures
    from fer_deploy.progress import say
    from fer_deploy.targets.artifact import open_artifact

    resolved = chosen(device)
    if resolved.notice:
        say(resolved.notice)
    opened = open_artifact(artifact)
    figures = runtime_figures(opened, resolved.profile, TimingProtocol(threads=threads))
    budget = frame_budget(
        resolved.profile, opened.info.contract, figures.latency_p50, round(1000 / fps, 1), threads
    )
    if as_json:
        print_json(budget.model_dump_json(indent=2))
        return
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import amount, clean, interval

    table = Table("stage", "latency", "band", "how", title=Text(clean(budget.device)))
    for stage in budget.stages:
        known = stage.latency
        how = f"{known.provenance.value}: {known.reason or stage.what}"
        table.add_row(*(Text(clean(cell)) for cell in (stage.name, amount(known), interval(known), how)))
    table.add_section()
    total = budget.total
    how = total.reason or f"{budget.verdict} in {budget.frame_ms:g} ms ({fps:g} frames a second)"
    table.add_row(*(Text(clean(cell)) for cell in ("frame", amount(total), interval(total), how)))
    console = stdout_console()
    console.print(table)
    if not total.known:
        console.print(Text(f"The known stages leave {budget.left_ms:.1f} of {budget.frame_ms:g} ms."))
