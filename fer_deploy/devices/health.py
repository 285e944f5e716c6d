"""What can run on this machine, what is missing, and the command that adds it."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import subprocess
from typing import Literal

from pydantic import Field

from fer_deploy.devices.installing import Program, adding, is_mac
from fer_deploy.devices.runners.build import ARCHES, Arch, build_hint, find_runner
from fer_deploy.devices.transports.adb import adb_program
from fer_deploy.devices.transports.browser import BrowserTransport
from fer_deploy.devices.transports.emulated import ONNX_MIN_VERSION, find_qemu
from fer_deploy.errors import DeviceError
from fer_deploy.frozen import Frozen
from fer_deploy.targets.registry import get_target, target_names

Status = Literal["ready", "differs", "missing", "impossible here"]

_COMMAND_SECONDS = 10


class HealthCheck(Frozen):
    """One thing that was looked for."""

    area: Literal["packages", "targets", "transports"]
    name: str
    status: Status
    found: str = Field(description="version, path or reason")
    needed_for: str
    add: str | None = Field(default=None, description="the command that adds what is missing")
    essential: bool = Field(default=False, description="the main job cannot run without it")

    @property
    def stops(self) -> bool:
        """True when the main job (quantize, export, time on this machine) cannot run."""
        return self.essential and self.status in ("missing", "impossible here")


def examine() -> tuple[HealthCheck, ...]:
    """Return every check: packages against the pins, targets, prerequisites of each transport."""
    return (*_python(), *_packages(), *_targets(), *_transports())


def _python() -> tuple[HealthCheck, ...]:
    wanted = importlib.metadata.metadata("fer-deploy")["Requires-Python"]
    good = satisfies(platform.python_version(), wanted)
    return (
        HealthCheck(
            area="packages",
            name="python",
            status="ready" if good else "missing",
            found=f"{platform.python_version()}, needs {wanted}",
            needed_for="everything",
            add=None if good else "uv venv --python 3.11 && uv pip install fer-deploy",
            essential=True,
        ),
    )


def satisfies(version: str, wanted: str) -> bool:
    """Return whether a version meets requirements joined by commas, with ``==``, ``>=`` or ``<`` each."""
    here = _numbers(version)
    for one in wanted.split(","):
        operator, number = re.match(r"\s*(==|>=|<)?(.*)", one).groups()  # type: ignore[union-attr]
        other = _numbers(number)
        width = max(len(here), len(other))
        left, right = ((*part, *(0,) * (width - len(part))) for part in (here, other))
        if not {"==": left == right, ">=": left >= right, "<": left < right}.get(operator, True):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers: (2, 13, 0) of ``2.13.0+cpu``, whose end says how torch was built."""
    found = re.match(r"\s*(\d+(?:\.\d+)*)", version)
    return tuple(map(int, found[1].split("."))) if found else ()


def _packages() -> tuple[HealthCheck, ...]:
    return tuple(
        check
        for line in importlib.metadata.requires("fer-deploy") or ()
        if "extra" not in line and (check := _package(line)) is not None
    )


def _package(requirement: str) -> HealthCheck | None:
    match = re.match(r"([A-Za-z0-9_.-]+)\s*([=<>][^;]*)?", requirement)
    if match is None:
        return None
    name, wanted = match[1], (match[2] or "").strip()
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        status: Status = "missing"
        found = f"not installed, needs {wanted}"
    else:
        status = "ready" if satisfies(version, wanted) else "differs"
        found = version if status == "ready" else f"{version}, needs {wanted}"
    return HealthCheck(
        area="packages",
        name=name,
        status=status,
        found=found,
        needed_for="the versions that work together" if "==" in wanted else "",
        add=None if status == "ready" else f"pip install '{name}{wanted}'",
        essential=True,
    )


def _targets() -> tuple[HealthCheck, ...]:
    checks = []
    for name in target_names():
        timing: str | None = None
        try:
            obstacle = get_target(name).host_obstacle()
            timing = get_target(name).timing_obstacle()
        except ImportError as error:
            obstacle = f"its tools cannot be imported: {error}"
        runs = f"artifacts run here; not timed: {timing}" if timing else "artifacts run and are timed here"
        checks.append(
            HealthCheck(
                area="targets",
                name=name,
                status="ready" if obstacle is None else "impossible here",
                found=obstacle or runs,
                needed_for=f"running {name} artifacts on this machine; writing them works everywhere",
            )
        )
    return tuple(checks)


def _transports() -> tuple[HealthCheck, ...]:
    mac = is_mac()
    return (
        _adb(),
        _program("ssh", ("ssh",), "ssh: Raspberry Pi and friends", _adding("ssh"), "-V"),
        _program("scp", ("scp",), "ssh: pushing files", _adding("ssh"), None),
        _program(
            "chromium",
            ("chromium", "chromium-browser", "google-chrome"),
            "browser: onnxruntime-web",
            _adding("chromium"),
            "--version",
        ),
        _program("node", ("node",), "browser: drives Chromium", _adding("node"), "--version"),
        _qemu(),
        _program(
            "aarch64 compiler",
            ("aarch64-linux-gnu-g++",),
            "emulated, adb, ssh: building the C++ runner",
            _adding("aarch64-linux-gnu-g++"),
            "--version",
        ),
        _program(
            "C++ compiler",
            ("g++", "clang++"),
            "host: building the C++ runner",
            _adding("g++"),
            "--version",
        ),
        *(_runner(arch) for arch in ARCHES if arch in ("aarch64", platform.machine())),
        _browser_runner(),
        HealthCheck(
            area="transports",
            name="macOS",
            status="ready" if mac else "impossible here",
            found=platform.platform(terse=True),
            needed_for="running Core ML's own predict(); elsewhere Core ML is interpreted",
        ),
    )


def _adding(program: Program) -> str:
    command = adding(program)
    return f"sudo {command}" if command.startswith("apt-get") else command


def _runner(arch: Arch) -> HealthCheck:
    found = find_runner(arch)
    return HealthCheck(
        area="transports",
        name=f"C++ runner, {arch}",
        status="ready" if found else "missing",
        found=str(found.folder) if found else "not built",
        needed_for="adb, ssh and emulated: ExecuTorch there; host: its per-layer profile",
        add=None if found else build_hint(arch),
    )


def _browser_runner() -> HealthCheck:
    obstacle = BrowserTransport().obstacle()
    return HealthCheck(
        area="transports",
        name="browser runner",
        status="ready" if obstacle is None else "missing",
        found=obstacle or "onnxruntime-web and playwright-core",
        needed_for="browser: onnxruntime-web",
        add=None if obstacle is None else "fer-deploy build-runner --arch browser",
    )


def _adb() -> HealthCheck:
    found = shutil.which(adb_program())
    return HealthCheck(
        area="transports",
        name="adb client",
        status="ready" if found else "missing",
        found=found or f"no program '{adb_program()}'",
        needed_for="adb: Android phones",
        add=None if found else _adding("adb"),
    )


def _qemu() -> HealthCheck:
    """Return what the emulated transport would find, by its own search."""
    check = HealthCheck(
        area="transports",
        name="qemu-aarch64",
        status="missing",
        found="not in FER_DEPLOY_QEMU, the cache folder or PATH",
        needed_for="emulated: arm64 code without hardware",
        add=_adding("qemu-user"),
    )
    try:
        full = find_qemu("aarch64", at_least=ONNX_MIN_VERSION)
        found = full or find_qemu("aarch64")
        counting = find_qemu("aarch64", plugins=True)
    except DeviceError as error:
        return check.model_copy(update={"found": str(error)})
    if found is None:
        return check
    counts = f"instructions are counted by {counting}" if counting else "none here counts instructions"
    if full is None:
        needs = f"onnxruntime needs {ONNX_MIN_VERSION[0]} or newer, ExecuTorch runs; {counts}"
        add = "sudo apt-get install -t bookworm-backports qemu-user"
        return check.model_copy(update={"status": "differs", "found": f"{found}; {needs}", "add": add})
    return check.model_copy(update={"status": "ready", "found": f"{found}; {counts}", "add": None})


def _program(
    name: str, programs: tuple[str, ...], needed_for: str, add: str, version: str | None
) -> HealthCheck:
    path = next((found for program in programs if (found := shutil.which(program))), None)
    return HealthCheck(
        area="transports",
        name=name,
        status="ready" if path else "missing",
        found=_version(path, version) if path else "not on PATH",
        needed_for=needed_for,
        add=None if path else add,
    )


def _version(path: str, argument: str | None) -> str:
    """Return the first line a program prints of its version, or its path."""
    if argument is None:
        return path
    try:
        done = subprocess.run(
            [path, argument], capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return path
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else path
