"""The emulated transport: qemu-user runs the real ARM code here. Logits and instruction counts, never time.

It is also where qemu's user-mode emulators are found and asked what they can do.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.installing import adding, requires_linux
from fer_deploy.devices.runners.build import Bundle, build_hint, build_plugin, cache_folder, find_runner
from fer_deploy.devices.runners.job import (
    ONNX_RUNNER,
    Job,
    golden_pixels,
    make_job,
    read_logits,
    shell_runner,
)
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.devices.transports.base import Transport
from fer_deploy.devices.transports.host import bundle_words, run_here
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Runner

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


#: Emulation is some 500 times slower than the processor; this is per image, for nets of a few ten million MACs.
_SECONDS_PER_IMAGE = 5.0
_START_SECONDS = 300.0
#: Two runs that differ by so many inferences; the difference cancels start-up and loading.
_COUNTED_RUNS = 10


class EmulatedTransport(Transport):
    """A processor model of qemu-user.

    ExecuTorch runs by the C++ runner; ONNX Runtime by its own Python package for the guest: on aarch64 from
    ``aarch64-root`` in the cache folder (see the documentation), on x86_64 this machine's own.
    """

    name: ClassVar[str] = "emulated"

    def __init__(self, cpu: str, arch: GuestArch = "aarch64", start_seconds: float = _START_SECONDS) -> None:
        """Emulate a processor; nothing is started yet.

        Args:
            cpu: a model of ``qemu-ARCH -cpu help``, e.g. cortex-a76.
            arch: the processor's architecture.
            start_seconds: time to start and load, beyond the time for images.

        Raises:
            DeviceError: no such word can be a model, or it is ``max``, whose int8 results were wrong in qemu 7.2.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", cpu) or cpu == "max":
            raise DeviceError(f"'{cpu}' is no processor model to emulate; see: qemu-{arch} -cpu help")
        self._cpu = cpu
        self._arch: GuestArch = arch
        self._start_seconds = start_seconds

    @property
    def device(self) -> str:
        """``emulated CPU``."""
        return f"emulated {self._cpu}"

    def obstacle(self, target: str | None = None) -> str | None:
        """Return what is missing here to emulate, or to run the target emulated, and the command that adds it."""
        try:
            self._emulator(target)
            if target is None:
                return None
            match shell_runner(target):
                case Runner.PYTHON:
                    self._python()
                case Runner.CPP:
                    self._bundle()
                case _:
                    return f"{target} cannot be run under emulation"
        except DeviceError as error:
            return str(error)
        return None

    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:  # noqa: ARG002
        """Raise DeviceError: emulated time is no latency."""
        raise DeviceError(
            f"{artifact.key} cannot be timed on {self.device}: emulated time is not latency; "
            "emulation gives logits and instruction counts"
        )

    def logits(self, artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) of uint8 pixels (N, C, H, W) as the emulated processor computes them.

        Raises:
            DeviceError: something is missing here, or the emulated program failed.
        """
        with tempfile.TemporaryDirectory() as scratch:
            job = make_job(artifact, Path(scratch), pixels, None)
            self._run(job, artifact.info.target, Path(scratch), self._emulator(artifact.info.target), ())
            return read_logits(Path(scratch), job, self.device)

    def instructions(self, artifact: Artifact) -> int:
        """Return the guest instructions of one inference, one thread: exact, and the same on every machine.

        Raises:
            DeviceError: as :meth:`logits`, or no qemu that loads plugins, or no C compiler for the plugin.
        """
        qemu = find_qemu(self._arch, plugins=True)
        if qemu is None:
            raise DeviceError(
                f"no qemu-{self._arch} that loads plugins was found; install a dynamic build, e.g. "
                f"{adding('qemu-user')} on Debian 12"
            )
        if shell_runner(artifact.info.target) is Runner.PYTHON and qemu.version < ONNX_MIN_VERSION:
            raise DeviceError(
                f"ONNX Runtime does not start under {qemu.program} {qemu.version[0]}.{qemu.version[1]}, "
                "the one that loads plugins; its instructions cannot be counted here"
            )
        few, many = (self._count(artifact, qemu, runs) for runs in (1, 1 + _COUNTED_RUNS))
        return round((many - few) / _COUNTED_RUNS)

    def _count(self, artifact: Artifact, qemu: Qemu, runs: int) -> int:
        protocol = TimingProtocol(warmups=0, min_runs=runs, min_seconds=0, max_seconds=3600, threads=1)
        with tempfile.TemporaryDirectory() as scratch:
            job = make_job(artifact, Path(scratch), golden_pixels(artifact)[:1], protocol)
            plugin = ("-plugin", str(build_plugin()))
            said = self._run(job, artifact.info.target, Path(scratch), qemu, plugin)
        found = re.search(r"fer-deploy instructions: (\d+)", said)
        if found is None:
            raise DeviceError(f"the instruction-counting plugin of {qemu.program} printed nothing")
        return int(found[1])

    def _run(self, job: Job, target: str, scratch: Path, qemu: Qemu, options: tuple[str, ...]) -> str:
        """Run a job in ``scratch`` and return what it said on stderr."""
        environment: dict[str, str] = {}
        if shell_runner(target) is Runner.PYTHON:
            words, environment = self._python()
            program = [*words, str(ONNX_RUNNER)]
        else:
            program = bundle_words(self._bundle())
        limit = self._start_seconds + _SECONDS_PER_IMAGE * job.images
        command = [str(qemu.program), "-cpu", self._cpu, *options, *program]
        return run_here(command, job, scratch, limit, self.device, environment)

    def _emulator(self, target: str | None) -> Qemu:
        if refusal := requires_linux("emulation by qemu-user needs", "run it in a container or on CI"):
            raise DeviceError(refusal)
        in_python = target is not None and shell_runner(target) is Runner.PYTHON
        least = ONNX_MIN_VERSION if in_python else (7, 2)
        found = find_qemu(self._arch, at_least=least)
        if found is None:
            raise DeviceError(
                f"no qemu-{self._arch} {least[0]}.{least[1]} or later was found; install qemu-user, "
                "or name the folder it is in by FER_DEPLOY_QEMU"
            )
        return found

    def _bundle(self) -> Bundle:
        found = find_runner(self._arch)
        if found is None:
            raise DeviceError(f"the runner for {self._arch} is not built; build it: {build_hint(self._arch)}")
        return found

    def _python(self) -> tuple[list[str], dict[str, str]]:
        """Return the words that start the guest's Python, after qemu's own, and its environment."""
        if self._arch == "x86_64":
            return [sys.executable], {}
        root = cache_folder() / "aarch64-root"
        program = root / "usr/bin/python3.11"
        if not (root / "site/onnxruntime").is_dir() or not program.exists():
            raise DeviceError(
                f"there is no ONNX Runtime for aarch64 in {root}; see 'Emulation' in the documentation for the "
                "command that makes it"
            )
        return ["-L", str(root), str(program)], {
            "PYTHONHOME": str(root / "usr"),
            "PYTHONPATH": str(root / "site"),
        }
