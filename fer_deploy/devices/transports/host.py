"""The host transport: runs an artifact in a fresh process on this machine, directly or behind an emulator."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from fer_deploy.devices.runners.build import Bundle, build_hint, find_runner, host_arch
from fer_deploy.devices.runners.job import (
    LOGITS,
    ONNX_RUNNER,
    READY,
    TRACE,
    WHEN_TOLD,
    Job,
    golden_pixels,
    make_job,
    shell_runner,
)
from fer_deploy.devices.timing import PairTiming, TimingProtocol, TimingResult
from fer_deploy.devices.transports.base import Transport
from fer_deploy.errors import DeviceError
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Runner
from fer_deploy.targets.registry import get_target, outside_address, target_class, target_names


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


#: Beyond the protocol's own limit: process start, imports and loading.
_START_SECONDS = 120
_LOGITS_SECONDS = 3600
#: Runners that have imported their runtimes and wait, at most; each holds some 250 MB.
_STARTED_AT_ONCE = 4

_Result = TypeVar("_Result", bound=Frozen)


class HostTransport(Transport):
    """This machine. Every target's own Python runtime, each time in a fresh process."""

    name: ClassVar[str] = "host"

    def __init__(self, start_seconds: float | None = None) -> None:
        self._start_seconds = _START_SECONDS if start_seconds is None else start_seconds

    def obstacle(self, target: str | None = None) -> str | None:
        """Return why this machine cannot time the target's artifacts, or None."""
        return None if target is None else get_target(target).timing_obstacle()

    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
        """Return load time, cold start, latency samples and peak memory of an artifact.

        A fresh process, so that cold start is cold and memory is this artifact's own.

        Raises:
            DeviceError: the runner failed or hung.
        """
        limit = protocol.max_seconds + self._start_seconds
        what = f"timing {artifact.key} on the host"
        arguments = [str(artifact.folder.resolve()), protocol.model_dump_json()]
        return _parsed(TimingResult, _run(artifact, arguments, limit, what), what)

    def times(
        self, artifacts: Sequence[Artifact], protocol: TimingProtocol
    ) -> Iterator[TimingResult | DeviceError]:
        """Yield each artifact's :meth:`time`; the processes start together, and then only one at a time works.

        To import a runtime takes longer than to time a small network, and a start disturbs no timing like this.
        """
        limit = protocol.max_seconds + self._start_seconds
        for at in range(0, len(artifacts), _STARTED_AT_ONCE):
            with contextlib.ExitStack() as stack:
                started = [
                    stack.enter_context(_Started(artifact, protocol))
                    for artifact in artifacts[at : at + _STARTED_AT_ONCE]
                ]
                for one in started:
                    one.wait(self._start_seconds)
                for one in started:
                    try:
                        yield _parsed(TimingResult, one.output(limit), one.what)
                    except DeviceError as error:
                        yield error

    def time_pair(self, first: Artifact, second: Artifact, protocol: TimingProtocol) -> PairTiming:
        """Return the timing of two artifacts of one target that take turns within one fresh process.

        Raises:
            DeviceError: as :meth:`time`.
        """
        limit = 2 * protocol.max_seconds + self._start_seconds
        what = f"timing {first.key} beside another one on the host"
        folders = [str(artifact.folder.resolve()) for artifact in (first, second)]
        arguments = ["--pair", *folders, protocol.model_dump_json()]
        return _parsed(PairTiming, _run(first, arguments, limit, what), what)

    def logits(self, artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) of uint8 pixels (N, C, H, W), computed in a fresh process.

        Raises:
            DeviceError: the runner failed or hung.
        """
        with tempfile.TemporaryDirectory() as scratch:
            source, goal = Path(scratch) / "pixels.npy", Path(scratch) / LOGITS
            np.save(source, pixels)
            what = f"running {artifact.key} on the host"
            arguments = ["--logits", str(artifact.folder.resolve()), str(source), str(goal)]
            _run(artifact, arguments, _LOGITS_SECONDS, what)
            logits: NDArray[np.float32] = np.fromfile(goal, dtype="<f4").reshape(len(pixels), -1)
        return logits

    def trace(self, artifact: Artifact, protocol: TimingProtocol) -> bytes:
        """Return the runtime's own profile of a timing on this machine.

        By the target's own sessions where they give one. Else by the runner that devices get: the C++ one, as
        ExecuTorch's Python runtime records no delegate, or the Python one.

        Raises:
            DeviceError: the target has no runner, the runner is not built, or it failed.
        """
        with tempfile.TemporaryDirectory() as folder:
            if artifact.info.target in target_names() and target_class(artifact.info.target).traces_here:
                goal = Path(folder) / TRACE
                arguments = [
                    "--trace", str(artifact.folder.resolve()), protocol.model_dump_json(), str(goal)
                ]  # fmt: skip
                what = f"profiling {artifact.key} on the host"
                _run(artifact, arguments, protocol.max_seconds + self._start_seconds, what)
                return goal.read_bytes()
            job = make_job(artifact, Path(folder), golden_pixels(artifact), protocol, trace=True)
            if shell_runner(artifact.info.target) is Runner.PYTHON:
                program = [sys.executable, str(ONNX_RUNNER)]
            else:
                bundle = find_runner(host_arch())
                if bundle is None:
                    raise DeviceError(
                        f"a per-layer profile of {artifact.key} needs the C++ runner; build it: "
                        f"{build_hint(host_arch())}"
                    )
                program = bundle_words(bundle)
            run_here(program, job, Path(folder), protocol.max_seconds + self._start_seconds, "the host", {})
            return (Path(folder) / TRACE).read_bytes()


def _parsed(kind: type[_Result], output: str, what: str) -> _Result:
    """Return what the runner printed in its last line."""
    lines = output.strip().splitlines()
    if not lines:
        raise DeviceError(f"{what} failed (exit 0): no output")
    try:
        return kind.model_validate_json(lines[-1])
    except ValidationError as error:
        raise DeviceError(f"{what} gave no result: {first_problem(error)}") from None


def time_on_host(artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
    """Return :meth:`HostTransport.time` of this machine."""
    return HostTransport().time(artifact, protocol)


class _Started:
    """A runner that waits to be told to time; a context manager that leaves none behind."""

    def __init__(self, artifact: Artifact, protocol: TimingProtocol) -> None:
        arguments = [WHEN_TOLD, str(artifact.folder.resolve()), protocol.model_dump_json()]
        command, environment = _command(artifact, arguments)
        self.what, self._said = f"timing {artifact.key} on the host", ""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> _Started:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def wait(self, limit: float) -> None:
        """Wait until it has imported what it needs, has ended, or ``limit`` seconds are over."""
        stream = self._process.stdout
        assert stream is not None
        if select.select([stream], [], [], limit)[0]:
            self._said = stream.readline()

    def output(self, limit: float) -> str:
        """Tell it to go on, and return what it printed.

        Raises:
            DeviceError: it failed, or takes longer than ``limit`` seconds.
        """
        try:
            rest, errors = self._process.communicate("\n", timeout=limit)
        except subprocess.TimeoutExpired:
            raise DeviceError(f"{self.what} took over {limit:.0f} s and was stopped") from None
        _require_success(self.what, self._process.returncode, errors)
        return ("" if self._said.strip() == READY else self._said) + rest


def _command(artifact: Artifact, arguments: list[str]) -> tuple[list[str], dict[str, str] | None]:
    """Return the words that start this machine's runner, and its environment; None for this process's."""
    command = [sys.executable, "-m", "fer_deploy.devices.runners.host_runner"]
    environment = None
    outside = outside_address(artifact.info.target)
    if outside is not None:
        command += ["--target", outside]
        # its module may be found here only because somebody added to the path
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return [*command, *arguments], environment


def _require_success(what: str, code: int, errors: str) -> None:
    if code != 0:
        said = errors.strip().splitlines()
        raise DeviceError(f"{what} failed (exit {code}): {said[-1] if said else 'no output'}")


def _run(artifact: Artifact, arguments: list[str], limit: float, what: str) -> str:
    command, environment = _command(artifact, arguments)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise DeviceError(f"{what} took over {limit:.0f} s and was stopped") from None
    _require_success(what, done.returncode, done.stderr)
    return done.stdout
