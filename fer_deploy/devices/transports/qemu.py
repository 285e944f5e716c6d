"""Finds qemu's user-mode emulators and asks what they can do."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fer_deploy.devices.runners.build import cache_folder
from fer_deploy.errors import DeviceError

GuestArch = Literal["aarch64", "x86_64"]
#: From this release on ONNX Runtime's CPU detection works under emulation; 7.2 crashes at import.
ONNX_MIN_VERSION = (10, 0)


@dataclass(frozen=True)
class Qemu:
    """One emulator program."""

    program: Path
    version: tuple[int, int]
    plugins: bool

    def __str__(self) -> str:
        return f"{self.program} {self.version[0]}.{self.version[1]}"


def find_qemu(arch: GuestArch, plugins: bool = False, at_least: tuple[int, int] = (7, 2)) -> Qemu | None:
    """Return an emulator for ``arch``: of ``FER_DEPLOY_QEMU`` (folders, as in PATH), the cache folder, PATH.

    Args:
        arch: the guest's architecture.
        plugins: it must load TCG plugins; static builds cannot.
        at_least: the oldest version that will do.
    """
    folders = os.environ.get("FER_DEPLOY_QEMU", "").split(os.pathsep)
    with contextlib.suppress(DeviceError):  # no home folder: no cache
        folders.append(str(cache_folder() / "qemu"))
    folders += os.get_exec_path()
    for folder in folders:
        program = shutil.which(f"qemu-{arch}", path=folder) if folder else None
        if program is None:
            continue
        found = _inspect(Path(program))
        if found.version >= at_least and (found.plugins or not plugins):
            return found
    return None


def _inspect(program: Path) -> Qemu:
    said = _output([str(program), "--version"])
    match = re.search(r"version (\d+)\.(\d+)", said)
    if match is None:
        raise DeviceError(f"{program} does not say which qemu it is")
    return Qemu(program, (int(match[1]), int(match[2])), "-plugin" in _output([str(program), "--help"]))


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{command[0]} cannot be started: {error}") from None
    return done.stdout + done.stderr
