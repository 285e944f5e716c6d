"""``fer-deploy inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.targets.inspection import Inspection


@click.command("inspect")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the inspection as JSON.")
def command(artifact: Path, as_json: bool) -> None:
    """Show what an artifact holds: operations, parameters, weights by type, delegated share, memory.

    ARTIFACT is an artifact folder, or a bare .pte, .onnx or .mlpackage. Everything is read from the file itself.
    """
    from fer_deploy.targets.registry import get_target

    target, file = _target_and_file(artifact)
    inspection = get_target(target).inspect(file)
    if as_json:
        print_json(inspection.model_dump_json(indent=2))
        return
    _print(inspection)


def _target_and_file(artifact: Path) -> tuple[str, Path]:
    from fer_deploy.errors import ArtifactError
    from fer_deploy.targets.artifact import open_artifact
    from fer_deploy.targets.registry import target_classes

    by_ending = {Path(target.file).suffix: target.name for target in target_classes()}
    if artifact.suffix not in by_ending:
        opened = open_artifact(artifact)
        return opened.info.target, opened.file
    if not artifact.exists():
        raise ArtifactError(f"model file {artifact} does not exist")
    return by_ending[artifact.suffix], artifact


def _print(found: Inspection) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.frozen import Unknown

    def figure(value: int | Unknown, unit: str = "") -> str:
        return f"unknown: {value.reason}" if isinstance(value, Unknown) else f"{value:,}{unit}"

    share = found.delegated
    taken = (
        f"unknown: {share.reason}"
        if isinstance(share, Unknown)
        else f"{share.backend} takes {share.delegated} of {share.total}"
    )
    summary = Table(show_header=False, title=found.file, title_justify="left")
    rows = [
        ("format", found.format),
        ("size", f"{found.size_bytes:,} bytes"),
        ("parameters", f"{found.parameters:,}"),
        ("multiply-accumulates", figure(found.macs)),
        ("delegated", taken),
        ("activation memory", figure(found.activation_bytes, " bytes planned")),
    ]
    rows += [
        (f"weights, {dtype}", f"{stored.values:,} values, {stored.bytes:,} bytes")
        for dtype, stored in found.weights.items()
    ]
    for kind, ports in (("input", found.inputs), ("output", found.outputs)):
        rows += [(kind, f"{port.name}: {port.dtype} {_shape(port.shape)}") for port in ports]
    for name, value in rows:
        summary.add_row(name, Text(value))
    operations = Table("operation", "count")
    for name, count in found.operations.items():
        operations.add_row(Text(name), str(count))
    console = stdout_console()
    console.print(summary)
    console.print(operations)
    for line in found.advice:
        console.print(Text(f"advice: {line}"))


def _shape(shape: tuple[int | None, ...]) -> str:
    return "x".join("?" if size is None else str(size) for size in shape) or "scalar"
