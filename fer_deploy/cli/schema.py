"""``fer-deploy schema``."""

from __future__ import annotations

import click

from fer_deploy.cli.streams import print_json


@click.command("schema")
@click.argument("name", type=click.Choice(["config", "contract", "profile"]))
def command(name: str) -> None:
    """Print the JSON Schema of a file that you write, for your editor.

    config is of fer-deploy.toml, contract of contract.toml and of a model folder's model.toml, profile of a device
    profile. Editors that ask Taplo find a schema by the first line of the file: #:schema PATH-OR-URL
    """
    from fer_deploy.schemas.make import schema_text

    print_json(schema_text(name).rstrip("\n"))
