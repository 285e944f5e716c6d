"""``fer-deploy build-runner``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("build-runner")
@click.option(
    "--arch",
    type=click.Choice(["host", "x86_64", "aarch64", "browser"]),
    default="host",
    show_default=True,
    help="What to build for; 'browser' installs onnxruntime-web and playwright-core with npm.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Cache folder; default FER_DEPLOY_CACHE, or fer-deploy in the user's cache.",
)
def command(arch: str, into: Path | None) -> None:
    """Build what runs artifacts on devices, once per ExecuTorch version.

    The C++ runner is compiled against the SDK inside the executorch wheel; for aarch64 the wheel of the
    installed version is downloaded, and the compiler is aarch64-linux-gnu-g++. Prints the folder.
    """
    from fer_deploy.devices.runners.build import build_runner, host_arch

    if arch == "browser":
        from fer_deploy.devices.transports.browser import install_browser_runner

        click.echo(install_browser_runner(into))
    else:
        click.echo(build_runner(host_arch() if arch == "host" else arch, into).folder)  # type: ignore[arg-type]
