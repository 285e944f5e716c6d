"""``fer-deploy export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_deploy.cli.options import (
    ExportCommand,
    config_option,
    configuration,
    data_options,
    export_options,
    model_options,
)
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.report.schema import MissingArtifact
    from fer_deploy.targets.artifact import Artifact


@click.command("export", cls=ExportCommand)
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

    Writes dist/MODEL/TARGET-RECIPE/ with the model file, artifact.json and golden.json. Each step on the way is proven
    on faces of the training split: an artifact that is not the network is not written. What cannot be made is named,
    and the exit code is 2. Accuracy is not measured; see `run`.
    """
    from fer_deploy.errors import TargetError
    from fer_deploy.model import load_model
    from fer_deploy.pipeline.export import Exported, plan_exports
    from fer_deploy.pipeline.exports import export_plan

    chosen = configuration(config, **flags)
    plan = plan_exports(chosen.export.targets, chosen.export.recipes)
    named = chosen.model
    model = load_model(named.path, named.contract, named.weights, named.name)
    results = export_plan(model, plan, chosen, chosen.export.output / model.name)
    written = [one.artifact for one in results if isinstance(one, Exported)]
    missing = [one for one in results if not isinstance(one, Exported)]
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                "target": one.info.target,
                "recipe": one.info.recipe,
                "folder": str(one.folder),
                "file": one.info.file,
                "size_bytes": one.info.size_bytes,
                "sha256": one.info.sha256,
                "proof": None if one.proof is None else one.proof.model_dump(mode="json"),
            }
            for one in written
        ]
        rows += [{"target": one.target, "recipe": one.recipe, "missing": one.reason} for one in missing]
        print_json(json.dumps(rows, indent=2))
    else:
        for one in written:
            click.echo(f"{one.folder}: {one.info.file}, {one.info.size_bytes:,} bytes{_proven(one)}")
    for target, recipe in plan.impossible:
        click.echo(f"not written: {target} has no recipe {recipe}", err=True)
    if missing and not written and len({one.reason for one in missing}) == 1:
        raise TargetError(missing[0].reason)
    if missing:
        raise TargetError(f"{len(missing)} of {len(results)} artifacts were not made: {_reasons(missing)}")


def _proven(artifact: Artifact) -> str:
    """Return what the last step showed, for the artifact's line."""
    proven = artifact.proof
    if proven is None or proven.agreement is None:
        return ", not proven"
    sqnr = "equal" if proven.sqnr_db is None else f"{proven.sqnr_db:.1f} dB"
    return f", {sqnr} and {proven.agreement:.0%} agreement with the float network on {proven.images} images"


def _reasons(missing: list[MissingArtifact]) -> str:
    return "; ".join(f"{one.key}: {one.reason}" for one in missing)
