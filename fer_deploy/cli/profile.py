"""``fer-deploy profile``."""

from __future__ import annotations

from pathlib import Path

import click

from fer_deploy.cli.options import PATH
from fer_deploy.cli.streams import print_json


@click.command("profile")
@click.argument("artifacts", nargs=-1, type=PATH)
@click.option("--device", default="host", show_default=True, help="Device profile; see `fer-deploy devices`.")
@click.option(
    "--output", type=PATH, default=Path("dist"), show_default=True, help="Where exported artifacts are."
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads.")
@click.option("--address", help="Which device: an ssh host or alias, or a phone's serial number.")
@click.option(
    "--result",
    "results",
    multiple=True,
    type=PATH,
    help="timing.json that the iOS demo's benchmark wrote on the device; repeat for several artifacts.",
)
@click.option(
    "--core", "cores", multiple=True, type=click.IntRange(min=0), help="Pin to this core; repeat for several."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    artifacts: tuple[Path, ...],
    device: str,
    output: Path,
    threads: int,
    address: str | None,
    results: tuple[Path, ...],
    cores: tuple[int, ...],
    as_json: bool,
) -> None:
    """Time exported artifacts on a device.

    ARTIFACTS are artifact folders; without any, all below --output are timed. Several are timed in turns. What
    speaks against a timing is said on stderr. --device pixel, galaxy or android is the phone that is attached, with or
    without a profile of its own; --device iphone is the one on this Mac, or the one that --result comes from. Where a
    device is attached and nothing was measured on it, the exit code is 4.
    """
    from fer_deploy.devices.choice import chosen, chosen_iphone
    from fer_deploy.devices.paths import processor_paths
    from fer_deploy.devices.timing import TimingProtocol
    from fer_deploy.devices.transports.taken import TakenTransport
    from fer_deploy.errors import NotMeasuredError
    from fer_deploy.measure.latency import all_runtime_figures, attached_device
    from fer_deploy.progress import say
    from fer_deploy.report.schema import DeviceReport
    from fer_deploy.targets.artifact import find_artifacts, open_artifact

    if results and (address is not None or cores):
        raise click.UsageError(
            "what was taken on a phone has no address and no cores; leave --address and --core out"
        )
    taken = TakenTransport(results) if results else None
    resolved = chosen_iphone(device, taken.identifier, taken.system) if taken else chosen(device, address)
    profile = resolved.profile
    if resolved.notice is not None:
        say(resolved.notice)
    opened = [open_artifact(folder) for folder in artifacts] or find_artifacts(output)
    if taken is not None:
        taken.require_about(opened)
    say(f"{'reading' if taken else 'timing'} {len(opened)} artifact(s) on {profile.market_name}")
    protocol = TimingProtocol(threads=threads, cores=tuple(sorted(set(cores))) or None)
    figures = all_runtime_figures(opened, profile, protocol, address, taken)
    for one in figures:
        verdict = one.latency_p50.conditions.get("verdict", "VALID")
        if verdict != "VALID":
            say(f"{one.artifact}: {verdict}")
    report = DeviceReport(
        name=profile.name,
        market_name=profile.market_name,
        soc=profile.soc,
        os=profile.os,
        transport=profile.transport,
        asked=device if resolved.serial is not None else None,
        attached=taken.there() if taken else attached_device(profile, address),
        paths=processor_paths(profile),
        figures=figures,
    )
    if as_json:
        print_json(report.model_dump_json(indent=2))
    else:
        from fer_deploy.cli.console import stdout_console
        from fer_deploy.views.terminal import print_device

        print_device(report, stdout_console())
    if report.nothing_measured is not None:
        raise NotMeasuredError(report.nothing_measured)
