"""What ``study`` and ``search`` share: options, folders, and the command that is printed with the result."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fer_deploy.cli.options import PATH, all_of

Command = TypeVar("Command", bound=Callable[..., Any])

experiment_options = all_of(
    (
        click.option("--data", type=PATH, help="The dataset's file or folder.  [default: the file's]"),
        click.option(
            "--work-dir", type=PATH, help="Checkpoints and models.  [default: runs/NAME of the file]"
        ),
        click.option("--output", type=PATH, help="Tables and plots.  [default: NAME beside the file]"),
        click.option("--device", default="cpu", show_default=True, help="cpu, cuda or another torch device."),
        click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: torch's choice]"),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    )
)


def writable_folders(file: Path, name: str, output: Path | None, work_dir: Path | None) -> tuple[Path, Path]:
    """Return the folder of the result and that of the runs of the experiment ``name`` in ``file``.

    Raises:
        OutputError: one of them cannot be written.
    """
    from fer_deploy.files import require_writable_folder

    folder, runs = output or file.parent / name, work_dir or Path("runs") / name
    require_writable_folder(folder)
    require_writable_folder(runs)
    return folder, runs


def printed_command(command: str, file: Path, device: str, threads: int | None) -> str:
    """Return the command line that goes on with the experiment, without the paths of this machine: it is committed."""
    name = file.name if file.is_absolute() else file.as_posix()
    words = ["fer-deploy", command, name, "--device", device]
    return shlex.join([*words, "--threads", str(threads)] if threads else words)
