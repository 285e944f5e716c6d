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
@click.option(
    "--kernels",
    type=click.Path(path_type=Path),
    help="Write what a build of the runtime must hold: selected_operators.yaml, required_operators.config.",
)
@click.option(
    "--runtime",
    type=click.Path(path_type=Path),
    help="Such a file, of a runtime that was built smaller: what would be missing there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the inspection as JSON.")
def command(artifact: Path, kernels: Path | None, runtime: Path | None, as_json: bool) -> None:
    """Show what an artifact holds: operations, parameters, weights by type, delegated share, memory.

    ARTIFACT is an artifact folder, or a bare .pte, .onnx or .mlpackage. Everything is read from the file itself.
    With --runtime the exit code is 3 where a kernel is missing.
    """
    from fer_deploy.targets.registry import get_target

    target, file = _target_and_file(artifact)
    inspection = get_target(target).inspect(file)
    if as_json:
        print_json(inspection.model_dump_json(indent=2))
    else:
        _print(inspection)
    if kernels is not None:
        _write_kernels(target, file, kernels)
    if runtime is not None:
        _require_kernels(target, file, runtime)


def _write_kernels(target: str, file: Path, goal: Path) -> None:
    from fer_deploy.errors import TargetError
    from fer_deploy.files import write_atomic
    from fer_deploy.frozen import Unknown
    from fer_deploy.progress import say
    from fer_deploy.targets.registry import get_target

    needed = get_target(target).required_kernels(file)
    if isinstance(needed, Unknown):
        raise TargetError(f"--kernels writes nothing for {file.name}: {needed.reason}")
    write_atomic(goal, needed.text)
    say(f"{goal}: {len(needed.kernels)} kernels that {file.name} needs")


def _require_kernels(target: str, file: Path, runtime: Path) -> None:
    """Raise where a runtime lacks what the file needs."""
    from fer_deploy.errors import BudgetExceededError, TargetError
    from fer_deploy.frozen import Unknown
    from fer_deploy.progress import say
    from fer_deploy.targets.registry import get_target

    missing = get_target(target).missing_kernels(file, runtime)
    if isinstance(missing, Unknown):
        raise TargetError(f"--runtime says nothing about {file.name}: {missing.reason}")
    if missing:
        raise BudgetExceededError(f"kernels missing in the runtime of {runtime}: {'; '.join(missing)}")
    say(f"the runtime of {runtime} holds every kernel that {file.name} needs")


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
