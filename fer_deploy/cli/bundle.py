"""``fer-deploy bundle``."""

from __future__ import annotations

from pathlib import Path

import click

from fer_deploy.cli.options import PATH


@click.command("bundle")
@click.argument("artifact", type=PATH)
@click.option("--app", required=True, help="android (onnx, executorch and litert artifacts) or ios (coreml).")
@click.option(
    "--demo",
    type=PATH,
    help="The demo's folder.  [default: android_demo or ios_demo in the working directory]",
)
def command(artifact: Path, app: str, demo: Path | None) -> None:
    """Put an artifact into a demo app, in place of the one that is there.

    ARTIFACT is a folder that `export` wrote. It is checked first: its digests, and whether the app's runtime, as its
    build files name it, can run it.
    """
    from fer_deploy.targets.bundle import bundle

    click.echo(f"{artifact} is in {bundle(app, artifact, demo)}; build the app again")
