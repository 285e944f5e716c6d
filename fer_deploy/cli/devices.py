"""``fer-deploy devices``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.devices.attached import Surroundings
    from fer_deploy.devices.profile import DeviceProfile
    from fer_deploy.devices.profile_schema import CoreCluster


@click.command("devices")
@click.argument("device", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print profiles and attached devices as JSON.")
def command(device: str | None, as_json: bool) -> None:
    """List the device profiles and what is attached now, or show DEVICE: a name, an alias or the path of a profile.

    Profiles of the folder named by FER_DEPLOY_PROFILES are listed with the shipped ones. Attached are the phones
    that adb sees, and the ssh hosts that are the `address` of a profile.
    """
    from fer_deploy.devices.attached import look_around
    from fer_deploy.devices.profile import load_profiles, resolve
    from fer_deploy.progress import say

    if device is not None:
        resolved = resolve(device)
        if resolved.notice:
            say(resolved.notice)
        if as_json:
            print_json(resolved.profile.model_dump_json(indent=2))
        else:
            _show(resolved.profile)
        return
    profiles = load_profiles()
    around = look_around(profiles)
    if as_json:
        listed = [profile.model_dump(mode="json") for profile in profiles]
        print_json(json.dumps({"profiles": listed, **around.model_dump(mode="json")}, indent=2))
        return
    _list(profiles)
    _list_attached(around)


def _list(profiles: tuple[DeviceProfile, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console

    table = Table("device", "market name", "SoC", "reached by", "targets")
    for one in profiles:
        name = one.name if not one.aliases else f"{one.name} ({', '.join(one.aliases)})"
        cells = (name, one.market_name, one.soc, one.transport, ", ".join(one.targets))
        table.add_row(*(Text(cell) for cell in cells))
    stdout_console().print(table)


def _list_attached(around: Surroundings) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import clean

    console = stdout_console()
    if around.attached:
        table = Table("attached now", "reached by", "state", "model", "profile")
        for one in around.attached:
            profile = one.profile or "none of these"
            cells = (one.address, one.transport, one.state, one.model or "not known", profile)
            table.add_row(*(Text(clean(cell)) for cell in cells))
        console.print(table)
    elif not around.not_seen:
        console.print(Text("Attached now: no phone."))
    for sentence in around.not_seen:
        console.print(Text(clean(f"Attached phones are not known: {sentence}")), soft_wrap=True)


def _show(one: DeviceProfile) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console

    table = Table("", one.name, "source", show_lines=True)

    def row(name: str, value: str, figure: str = "") -> None:
        table.add_row(Text(name), Text(value or "–"), Text("\n".join(one.sources_of(figure or name))))

    row("market name", one.market_name)
    row("SoC", one.soc, "soc")
    row("system", one.os, "os")
    row("reached by", one.transport + (f", {one.address}" if one.address else ""))
    row("cores", "\n".join(map(_core, one.cores)))
    bandwidth = one.memory_bandwidth_gb_s
    row("memory", f"{bandwidth:g} GB/s" if bandwidth else "", "memory_bandwidth_gb_s")
    row(
        "accelerators",
        "\n".join(
            f"{unit.kind.upper()} {unit.name}" + (f" ({', '.join(unit.delegates)})" if unit.delegates else "")
            for unit in one.accelerators
        ),
    )
    row(
        "targets",
        "\n".join(f"{name}: {', '.join(one.delegates.get(name, ())) or '–'}" for name in one.targets),
    )
    from fer_deploy.devices.paths import processor_paths

    row(
        "can be known",
        "\n".join(
            f"{way.target}, {way.delegate} ({way.processor}): answers {way.answers}; latency {way.latency}"
            for way in processor_paths(one)
        ),
    )
    if one.qemu_cpu:
        row("emulated as", one.qemu_cpu)
    stdout_console().print(table)


def _core(cores: CoreCluster) -> str:
    clock = [f"{cores.max_ghz:g} GHz"] if cores.max_ghz else []
    return ", ".join([f"{cores.count} x {cores.microarchitecture}", *clock, *cores.features])
