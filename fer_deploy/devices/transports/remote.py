"""What adb and ssh share: a private folder on the device, leased, filled, run in, emptied whatever happens."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import tempfile
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.runners.build import ARCHES, Arch, Bundle, build_hint, find_runner
from fer_deploy.devices.runners.job import (
    ONNX_RUNNER,
    TRACE,
    Job,
    golden_pixels,
    make_job,
    read_logits,
    read_result,
    shell_runner,
    with_golden,
)
from fer_deploy.devices.timing import DeviceState, TimingProtocol, TimingResult
from fer_deploy.devices.transports.base import Transport
from fer_deploy.devices.transports.remote_shell import SHORT_SECONDS, RemoteShell, last_line
from fer_deploy.errors import DeviceError
from fer_deploy.progress import say
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Runner

#: For copying, starting, loading, beyond the protocol's own limit.
_START_SECONDS = 120.0
#: An owner file is written right after its folder is made; after this many seconds without one nobody will.
_OWNERLESS_SECONDS = 60
#: Without telemetry: it would leave files behind (see onnx_runner.py).
_IMPORTS = 'ORT_DISABLE_TELEMETRY=1 python3 -c "import numpy, onnxruntime"'
_TIMED_OUT = (124, 137)  # timeout(1): ended by itself, or with -s KILL as 128 + 9


class RemoteTransport(RemoteShell, Transport):
    """A device with a POSIX shell at the end of a link that can copy files."""

    folder: ClassVar[str]
    """The private folder on the device; it exists only while a job runs."""
    _clean_first: ClassVar[str] = ""
    """A command line, ended by ``;``, that removes what a job left elsewhere on the device."""

    def __init__(self, bundle: Bundle | None = None, start_seconds: float = _START_SECONDS) -> None:
        self._bundle = bundle
        self._start_seconds = start_seconds

    @abstractmethod
    def _push_words(self, files: list[Path]) -> list[str]:
        """Return the local words that copy files into :attr:`folder` under their own names."""

    @abstractmethod
    def _pull_words(self, name: str, goal: Path) -> list[str]:
        """Return the local words that copy one file out of :attr:`folder`."""

    @abstractmethod
    def state(self) -> DeviceState:
        """Return battery, heat and radio state now, with reasons for what cannot be read."""

    def arch(self) -> Arch:
        """Return the device's architecture.

        Raises:
            DeviceError: there is no runner for it, or the device does not answer.
        """
        machine = self._ask("uname -m").strip()
        machine = {"armv8l": "aarch64", "arm64": "aarch64", "amd64": "x86_64"}.get(machine, machine)
        if machine not in ARCHES:
            raise DeviceError(
                f"{self.device} is {machine or 'of unknown architecture'}; "
                f"runners exist for {' and '.join(ARCHES)} only"
            )
        return machine

    def obstacle(self, target: str | None = None) -> str | None:
        """Return why the device, or the target on it, cannot be used now, and the remedy."""
        try:
            if target is None:
                self._ask("true")
                return None
            match shell_runner(target):
                case Runner.CPP:
                    self._require_bundle()
                case Runner.PYTHON:
                    self._require_python()
                case _:
                    return f"{self.device} cannot run {target}"
        except DeviceError as error:
            return str(error)
        return None

    def there(self) -> str | None:
        """Return the device in words, if it answers."""
        return self.device if self.obstacle() is None else None

    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
        """Return the artifact's timing on the device, with its state before and after.

        Raises:
            DeviceError: unreachable, busy, full, of another architecture, too slow, or nonsense came back.
        """
        with tempfile.TemporaryDirectory() as scratch:
            job = self._prepared(artifact, Path(scratch), golden_pixels(artifact), protocol)
            before = self.state()
            results = self._run_job(job, Path(scratch), protocol.max_seconds)
            after = self.state()
            result = read_result(results, job, self.device)
            logits = read_logits(results, job, self.device)
        version = ", ".join(filter(None, (result.runtime_version, job.build)))
        result = result.model_copy(update={"before": before, "after": after, "runtime_version": version})
        return with_golden(result, artifact, logits)

    def logits(self, artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) that the device computes from uint8 pixels (N, C, H, W).

        Raises:
            DeviceError: as :meth:`time`.
        """
        with tempfile.TemporaryDirectory() as scratch:
            job = self._prepared(artifact, Path(scratch), pixels, None)
            results = self._run_job(job, Path(scratch), 0)
            return read_logits(results, job, self.device)

    def trace(self, artifact: Artifact, protocol: TimingProtocol) -> bytes:
        """Return the runtime's own profile of a timing on the device.

        Raises:
            DeviceError: as :meth:`time`.
        """
        with tempfile.TemporaryDirectory() as scratch:
            pixels = golden_pixels(artifact)
            job = self._prepared(artifact, Path(scratch), pixels, protocol, trace=True)
            results = self._run_job(job, Path(scratch), protocol.max_seconds)
            return (results / TRACE).read_bytes()

    def _prepared(
        self,
        artifact: Artifact,
        scratch: Path,
        pixels: NDArray[np.uint8],
        protocol: TimingProtocol | None,
        trace: bool = False,
    ) -> Job:
        """Return :func:`make_job`'s job with the runner among its files and the words that start it."""
        job = make_job(artifact, scratch, pixels, protocol, trace)
        files, start = self._program(artifact.info.target)
        return replace(job, files={**files, **job.files}, arguments=(*start, *job.arguments))

    def _require_bundle(self) -> Bundle:
        arch = self.arch()
        if self._bundle is not None:
            if self._bundle.arch != arch:
                raise DeviceError(
                    f"the runner in {self._bundle.folder} is for {self._bundle.arch} but {self.device} is {arch}; "
                    f"build the right one: {build_hint(arch)}"
                )
            return self._bundle
        found = find_runner(arch)
        if found is None:
            raise DeviceError(f"the runner for {self.device} is not built; build it: {build_hint(arch)}")
        return found

    def _require_python(self) -> None:
        done = self._attempt(_IMPORTS, self._start_seconds)
        if done.returncode != 0:
            raise DeviceError(
                f"{self.device} has no Python with ONNX Runtime ({last_line(done)}); "
                "install it there: python3 -m pip install onnxruntime numpy"
            )

    def _program(self, target: str) -> tuple[dict[str, Path], tuple[str, ...]]:
        """Return the runner's files by name and the words that start it."""
        if shell_runner(target) is Runner.PYTHON:
            self._require_python()
            return {ONNX_RUNNER.name: ONNX_RUNNER}, ("python3", ONNX_RUNNER.name)
        bundle = self._require_bundle()
        return bundle.files, bundle.start

    def _run_job(self, job: Job, scratch: Path, run_seconds: float) -> Path:
        """Run a prepared job on the device and return the local folder with its outputs."""
        limit = run_seconds + self._start_seconds
        staged, results = scratch / "staged", scratch / "results"
        staged.mkdir()
        results.mkdir()
        for name, path in job.files.items():
            shutil.copy2(path, staged / name)
        with self._lease(limit):
            what = f"copying the runner and {job.what} to"
            self._require(self._push_words(sorted(staged.iterdir())), limit, what)
            self._execute(job, limit)
            for name in job.outputs:
                self._require(
                    self._pull_words(name, results / name), limit, f"fetching {name} of {job.what} from"
                )
        return results

    def _execute(self, job: Job, limit: float) -> None:
        words = shlex.join(job.arguments)
        # the runner's own pid, so that cleaning up can end it: exec keeps it
        inner = shlex.quote(f"echo $$ > pid; exec {words}")
        command = f"cd {self.folder} && chmod -R u+rwx . && timeout -s KILL {int(limit)} sh -c {inner}"
        began = time.monotonic()
        done = self._attempt(command, limit + SHORT_SECONDS, f"running {job.what} on")
        if done.returncode == 0:
            return
        if done.returncode in _TIMED_OUT and time.monotonic() - began >= limit - 1:
            raise DeviceError(f"running {job.what} on {self.device} took over {limit:.0f} s and was stopped")
        raise self._failure(done, f"running {job.what} on")

    @contextmanager
    def _lease(self, seconds: float) -> Iterator[None]:
        """Hold the device's private folder, made now and removed at the end."""
        self._take(seconds)
        try:
            yield
        except DeviceError as error:
            if self._clean():
                raise
            raise DeviceError(
                f"{error}; {self.folder} may still be on the device, the next run there removes it"
            ) from None
        except BaseException:
            self._clean()
            raise
        if not self._clean():
            say(f"{self.device} went away before {self.folder} was removed; the next run there removes it")

    def _take(self, seconds: float) -> None:
        owner = f"{_this_machine()} {os.getpid()}"
        keep = int(3 * seconds + SHORT_SECONDS)  # copy, run, fetch
        make = f'mkdir -m 700 {self.folder} && echo "{owner} $(($(date +%s) + {keep}))" > {self.folder}/owner'
        done = self._attempt(make, SHORT_SECONDS)
        if done.returncode != 0 and "exists" in done.stderr + done.stdout:
            self._evict_or_refuse()
            done = self._attempt(make, SHORT_SECONDS)
        if done.returncode != 0:
            failure = self._failure(done, "making a folder on")
            self._clean()
            raise failure

    def _evict_or_refuse(self) -> None:
        """Remove a folder that an ended run left behind; DeviceError while its run may still be going on."""
        said = self._ask(f"date +%s; stat -c %Y {self.folder}; cat {self.folder}/owner || true").split()
        now, made = (int(word) if word.isdigit() else 0 for word in [*said, "", ""][:2])
        if len(said) == 5 and said[3].isdigit() and said[4].isdigit():
            host, pid, until = said[2], int(said[3]), int(said[4])
            mine = host == _this_machine()
            left = until <= now or (mine and (pid == os.getpid() or not _process_exists(pid)))
            by = f"process {pid} of {host}"
        else:
            left, by, until = now - made > _OWNERLESS_SECONDS, "an unknown run", made + _OWNERLESS_SECONDS
        if not left:
            raise DeviceError(
                f"{self.device} is busy: {by} holds {self.folder} for at most {max(1, until - now)} s more; "
                "wait for it, or end it"
            )
        say(f"removing what an interrupted run left on {self.device}")
        if not self._clean():
            raise DeviceError(f"{self.folder} on {self.device} cannot be removed; remove it by hand")

    def _clean(self) -> bool:
        """End a runner that still runs and remove the folder; False when the device does not answer."""
        # The number may be another process's by now: only one that works in the folder is the runner.
        command = (
            f"p=$(cat {self.folder}/pid 2>/dev/null) && d=$(cd {self.folder} && pwd -P) && "
            f'[ "$(readlink /proc/$p/cwd)" = "$d" ] && kill -9 $p; {self._clean_first}rm -rf {self.folder}'
        )
        try:
            return self._attempt(command, SHORT_SECONDS).returncode == 0
        except DeviceError:
            return False


def _this_machine() -> str:
    """Return this machine's name as one word that no shell changes."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", platform.node()) or "unknown"


def _process_exists(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))
