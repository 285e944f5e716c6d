"""``fer-deploy export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fer_deploy.cli.options import config_option, configuration, data_options, export_options, model_options


@click.command("export", short_help="Lower a model to one target's artifacts.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    help="executorch, onnx or coreml; may be given again.",
)
@config_option
@model_options
@data_options
@export_options
@click.option("--json", "as_json", is_flag=True, help="Print the artifacts as JSON.")
def command(config: Path | None, as_json: bool, **flags: Any) -> None:
    """Lower a model to one target's artifacts.

    Writes dist/MODEL/TARGET-RECIPE/ with the model file, artifact.json and golden.json. Nothing is measured; see `run`.
    """
    from fer_deploy.files import require_writable_folder
    from fer_deploy.model import load_model
    from fer_deploy.pipeline.export import build_graphs, draw_calibration, plan_exports, write_artifacts

    chosen = configuration(config, **flags)
    plan = plan_exports(chosen.export.targets, chosen.export.recipes)
    model = load_model(chosen.model.path, chosen.model.contract, chosen.model.weights)
    require_writable_folder(chosen.export.output)
    calibration = draw_calibration(model, plan, chosen.data, chosen.quantize)
    graphs = build_graphs(model, plan.recipes, calibration, chosen.quantize, chosen.data)
    written = [one.artifact for one in write_artifacts(model, plan, graphs, calibration, chosen.export)]
    if as_json:
        rows = [
            {
                "target": one.info.target,
                "recipe": one.info.recipe,
                "folder": str(one.folder),
                "file": one.info.file,
                "size_bytes": one.info.size_bytes,
                "sha256": one.info.sha256,
            }
            for one in written
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for one in written:
        click.echo(f"{one.folder}: {one.info.file}, {one.info.size_bytes:,} bytes")
    for target, recipe in plan.impossible:
        click.echo(f"not written: {target} has no recipe {recipe}", err=True)
