"""Runs a runner's job as a process on this machine, directly or behind an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from fer_deploy.devices.runners.build import Bundle
from fer_deploy.devices.runners.job import Job
from fer_deploy.errors import DeviceError


def bundle_words(bundle: Bundle) -> list[str]:
    """Return the words that start a bundle's runner from any folder."""
    folder = bundle.folder.absolute()
    loader, *_, runner = bundle.start
    return [str(folder / loader), "--library-path", str(folder), str(folder / runner)]


def run_here(
    program: Sequence[str], job: Job, folder: Path, limit: float, device: str, environment: Mapping[str, str]
) -> str:
    """Run a job in ``folder``, where its outputs then lie, and return what it said on stderr.

    Args:
        program: the words that start the runner, and what stands before it.
        job: the files, arguments and outputs.
        folder: an existing folder of this process; becomes the runner's HOME.
        limit: seconds after which it is stopped.
        device: how error messages name the place it runs in.
        environment: variables besides PATH and HOME.

    Raises:
        DeviceError: it failed or took too long.
    """
    for name, path in job.files.items():
        if path != folder / name:
            shutil.copyfile(path, folder / name)
    variables = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), **environment}
    try:
        done = subprocess.run(
            [*program, *job.arguments], cwd=folder, env=variables, capture_output=True, text=True,
            errors="replace", timeout=limit, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DeviceError(f"running {job.what} on {device} took over {limit:.0f} s and was stopped") from None
    except OSError as error:
        raise DeviceError(f"running {job.what} on {device} failed: {error}") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise DeviceError(
            f"running {job.what} on {device} failed (exit {done.returncode}): {lines[-1] if lines else 'no output'}"
        )
    return done.stderr
