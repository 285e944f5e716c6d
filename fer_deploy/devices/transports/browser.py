"""The browser transport: onnxruntime-web in headless Chromium on this machine, driven by playwright-core."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.installing import adding
from fer_deploy.devices.runners.build import cache_folder
from fer_deploy.devices.runners.job import (
    Job,
    golden_pixels,
    make_job,
    read_logits,
    read_result,
    runners_of,
    with_golden,
)
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.devices.transports.base import Transport
from fer_deploy.errors import DeviceError
from fer_deploy.files import folder_atomic, sha256_of
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Runner
from fer_deploy.targets.registry import target_names

_RUNNER = Path(__file__).resolve().parents[1] / "runners" / "browser"
_PACKAGES = _RUNNER / "package.json"
#: Names the Chromium program; default the first of these in PATH.
PROGRAM_VARIABLE = "FER_DEPLOY_CHROMIUM"
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_HINT = "fer-deploy build-runner --arch browser"
#: For the browser's start, and for the slowest images.
_START_SECONDS, _SECONDS_PER_IMAGE, _INSTALL_SECONDS = 120.0, 1.0, 900.0


class BrowserTransport(Transport):
    """Chromium on this machine: real latency of the WebAssembly runtime, in a fresh browser each time."""

    name: ClassVar[str] = "browser"
    device: ClassVar[str] = "the browser"

    def __init__(self, start_seconds: float = _START_SECONDS) -> None:
        self._start_seconds = start_seconds

    def obstacle(self, target: str | None = None) -> str | None:
        """Return what is missing to run the target in a browser here, and the command that adds it."""
        if target is not None and Runner.BROWSER not in runners_of(target):
            runnable = " or ".join(name for name in target_names() if Runner.BROWSER in runners_of(name))
            return f"no browser runs {target}; export the {runnable} target"
        try:
            _programs()
        except DeviceError as error:
            return str(error)
        return None

    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
        """Return the artifact's timing in the browser; load is session creation from bytes in memory.

        Raises:
            DeviceError: something is missing, cores were to be pinned, or the browser failed.
        """
        if protocol.cores is not None:
            raise DeviceError("a browser's threads cannot be pinned to cores; leave cores out")
        with tempfile.TemporaryDirectory() as scratch:
            job = make_job(artifact, Path(scratch), golden_pixels(artifact), protocol)
            self._run(job, artifact, Path(scratch), protocol.max_seconds)
            result = read_result(Path(scratch), job, self.device)
            return with_golden(result, artifact, read_logits(Path(scratch), job, self.device))

    def logits(self, artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) of uint8 pixels (N, C, H, W), computed in the browser.

        Raises:
            DeviceError: as :meth:`time`.
        """
        with tempfile.TemporaryDirectory() as scratch:
            job = make_job(artifact, Path(scratch), pixels, None)
            self._run(job, artifact, Path(scratch), _SECONDS_PER_IMAGE * job.images)
            return read_logits(Path(scratch), job, self.device)

    def _run(self, job: Job, artifact: Artifact, scratch: Path, run_seconds: float) -> None:
        obstacle = self.obstacle(artifact.info.target)
        if obstacle:
            raise DeviceError(obstacle)
        node, chromium, modules = _programs()
        for name, path in job.files.items():
            if path != scratch / name:
                shutil.copyfile(path, scratch / name)
        command = [node, str(_RUNNER / "driver.mjs"), "--modules", str(modules), "--chromium", chromium]
        limit = run_seconds + self._start_seconds
        try:
            done = subprocess.run(
                [*command, *job.arguments], cwd=scratch, capture_output=True, text=True, errors="replace",
                timeout=limit, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"running {job.what} in the browser took over {limit:.0f} s and was stopped"
            ) from None
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines()
            raise DeviceError(
                f"running {job.what} in the browser failed: {lines[-1] if lines else 'no output'}"
            )


def install_browser_runner(cache: Path | None = None) -> Path:
    """Install onnxruntime-web and playwright-core with npm and return their folder.

    Raises:
        DeviceError: npm is missing or fails.
    """
    goal = _modules(cache)
    if (goal / "node_modules").is_dir():
        return goal
    npm = shutil.which("npm")
    if npm is None:
        raise DeviceError(f"the browser transport needs npm; install it, e.g. {adding('node')}")
    with folder_atomic(goal) as folder:
        shutil.copyfile(_PACKAGES, folder / _PACKAGES.name)
        # no scripts: neither package needs one, and scripts of dependencies are what npm attacks use
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False, cwd=folder
            )
        except subprocess.TimeoutExpired:
            raise DeviceError(f"npm did not finish within {_INSTALL_SECONDS:.0f} s") from None
        if done.returncode != 0:
            raise DeviceError(f"npm could not install the browser runner: {done.stderr.strip()[-300:]}")
    return goal


def _modules(cache: Path | None = None) -> Path:
    return (cache or cache_folder()) / f"browser-{sha256_of(_PACKAGES)[:12]}"


def _programs() -> tuple[str, str, Path]:
    """Return node, Chromium and the folder with the npm packages."""
    node = shutil.which("node")
    if node is None:
        raise DeviceError(f"the browser transport needs Node.js; install it, e.g. {adding('node')}")
    chosen = os.environ.get(PROGRAM_VARIABLE)
    chromium = next(filter(None, map(shutil.which, [chosen] if chosen else _PROGRAMS)), None)
    if chromium is None:
        raise DeviceError(
            f"no Chromium was found ({chosen or ', '.join(_PROGRAMS)}); install it, e.g. {adding('chromium')}, "
            f"or name it by {PROGRAM_VARIABLE}"
        )
    modules = _modules()
    if not (modules / "node_modules").is_dir():
        raise DeviceError(f"onnxruntime-web and playwright-core are not installed; install them: {_HINT}")
    return node, chromium, modules
