"""Builds the C++ ExecuTorch runner into a self-contained bundle, from the SDK inside the ExecuTorch wheel.

A bundle is a folder with the runner, ExecuTorch's libraries, the C and C++ libraries and their loader.
Started through its own loader it asks nothing of the device but a Linux kernel of its architecture, so
the same bundle runs on a Raspberry Pi, under qemu, and on Android, whose own C library is another one.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fer_deploy.devices.installing import adding, requires_linux
from fer_deploy.errors import DeviceError
from fer_deploy.files import folder_atomic, sha256_of, write_atomic
from fer_deploy.progress import say

Arch = Literal["x86_64", "aarch64"]
ARCHES: tuple[Arch, ...] = ("x86_64", "aarch64")
SOURCE = Path(__file__).resolve().parent / "cpp" / "runner.cpp"
PLUGIN = SOURCE.with_name("count_instructions.c")
RUNNER = "runner"
#: What a Mac does instead of building the C++ runner.
_ELSEWHERE = (
    "phones are timed without it by the demo apps (android_demo, ios_demo); for a Raspberry Pi build it in a Linux "
    "container and point FER_DEPLOY_CACHE at its cache folder"
)
_LIBRARIES = (
    "libexecutorch.so",
    "libexecutorch_kernels_optimized.so",
    "libexecutorch_kernels_quantized.so",
    "libexecutorch_backend_xnnpack.so",
    "libexecutorch_threadpool.so",
    "libexecutorch_etdump.so",
)
_LOADERS: dict[Arch, str] = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}
_SYSTEM = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libstdc++.so.6", "libgcc_s.so.1")
#: The wheel's own platform tag for 64-bit ARM Linux.
_AARCH64_PLATFORM = "manylinux_2_28_aarch64"
#: What ExecuTorch's own build defines; without the first, its headers look for a generated file.
_DEFINES = ("C10_USING_CUSTOM_GENERATED_MACROS", "ET_EVENT_TRACER_ENABLED", "ET_USE_THREADPOOL")
_COMPILE_SECONDS, _DOWNLOAD_SECONDS = 300, 900


@dataclass(frozen=True)
class Bundle:
    """A built runner: its folder and architecture."""

    folder: Path
    arch: Arch

    @property
    def files(self) -> dict[str, Path]:
        """Every file of the bundle by its name."""
        return {path.name: path for path in sorted(self.folder.iterdir()) if path.is_file()}

    @property
    def start(self) -> tuple[str, ...]:
        """The words that start the runner inside the bundle's folder."""
        return (f"./{_LOADERS[self.arch]}", "--library-path", ".", f"./{RUNNER}")


def host_arch() -> Arch:
    """Return this machine's architecture.

    Raises:
        DeviceError: it is none that the runner is built for.
    """
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
    if refusal := requires_linux("the C++ runner is built on", _ELSEWHERE):
        raise DeviceError(refusal)
    if machine not in ARCHES:
        raise DeviceError(f"the C++ runner is built for {' and '.join(ARCHES)}; this machine is {machine}")
    return machine


def cache_folder() -> Path:
    """Return the user's cache folder: ``FER_DEPLOY_CACHE``, or fer-deploy in ``XDG_CACHE_HOME`` or ``~/.cache``.

    Raises:
        DeviceError: neither is set and the user has no home folder, as in many containers.
    """
    chosen = os.environ.get("FER_DEPLOY_CACHE")
    if chosen:
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fer-deploy"
    except RuntimeError:
        raise DeviceError(
            "there is no home folder to keep built runners in; set FER_DEPLOY_CACHE to a folder"
        ) from None


def build_hint(arch: Arch) -> str:
    """Return the command that builds the runner for ``arch``."""
    return f"fer-deploy build-runner --arch {arch}"


def find_runner(arch: Arch, cache: Path | None = None) -> Bundle | None:
    """Return the bundle built from this source for the installed ExecuTorch, or None."""
    try:
        folder = _goal(arch, cache)
    except (importlib.metadata.PackageNotFoundError, DeviceError):
        return None  # built for no ExecuTorch that is installed, or kept nowhere
    return Bundle(folder, arch) if (folder / RUNNER).is_file() else None


def build_runner(arch: Arch, cache: Path | None = None) -> Bundle:
    """Return the bundle for ``arch``, built unless it is in the cache already.

    Raises:
        DeviceError: a compiler or library is missing, or the compiler fails; the message says which.
    """
    found = find_runner(arch, cache)
    if found is not None:
        return found
    compiler = _compiler(arch)
    with tempfile.TemporaryDirectory() as scratch, folder_atomic(_goal(arch, cache)) as goal:
        sdk = _sdk(arch, Path(scratch))
        for name in _LIBRARIES:
            shutil.copy2(sdk / "lib" / name, goal / name)
        _compile(compiler, sdk, goal)
        for name in (_LOADERS[arch], *_SYSTEM):
            shutil.copy2(_system_library(compiler, name), goal / name)
    return Bundle(_goal(arch, cache), arch)


def _goal(arch: Arch, cache: Path | None) -> Path:
    version = importlib.metadata.version("executorch")
    return (cache or cache_folder()) / "runner" / f"executorch-{version}-{sha256_of(SOURCE)[:12]}-{arch}"


def _compiler(arch: Arch) -> str:
    if refusal := requires_linux("the C++ runner is built on", _ELSEWHERE):
        raise DeviceError(refusal)
    native = platform.machine() == arch
    name = "g++" if native else f"{arch.replace('_', '-')}-linux-gnu-g++"
    path = shutil.which(name)
    if path is None:
        package = adding("g++") if native else f"apt-get install g++-{arch.replace('_', '-')}-linux-gnu"
        raise DeviceError(f"the C++ runner for {arch} needs the compiler {name}; install it, e.g. {package}")
    return path


def _sdk(arch: Arch, scratch: Path) -> Path:
    """Return the folder with ``include`` and ``lib`` for ``arch``: the installed package's or another wheel's."""
    found = importlib.util.find_spec("executorch")
    if found is None or not found.submodule_search_locations:
        raise DeviceError("the executorch package is not installed; reinstall fer-deploy")
    installed = Path(next(iter(found.submodule_search_locations)))
    if platform.machine() == arch:
        return installed
    if arch != "aarch64":
        raise DeviceError(f"the C++ runner for {arch} can only be built on {arch}")
    requirement = f"executorch=={importlib.metadata.version('executorch')}"
    say(f"downloading {requirement} for {_AARCH64_PLATFORM}")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--platform", _AARCH64_PLATFORM, "--dest", str(scratch), requirement]
    done = _run(command, _DOWNLOAD_SECONDS, f"pip could not download {requirement} for {_AARCH64_PLATFORM}")
    wheels = list(scratch.glob("executorch-*.whl"))
    if len(wheels) != 1:
        raise DeviceError(f"pip downloaded no executorch wheel: {_last_line(done.stdout + done.stderr)}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        for member in wheel.namelist():
            if member.startswith(("executorch/include/", "executorch/lib/")):
                wheel.extract(member, scratch)
    return scratch / "executorch"


def _compile(compiler: str, sdk: Path, goal: Path) -> None:
    version = importlib.metadata.version("executorch")
    include = sdk / "include"
    command = [compiler, "-O2", "-std=c++17", *(f"-D{name}" for name in _DEFINES)]
    command += [f'-DFER_DEPLOY_EXECUTORCH_VERSION="{version}"', "-isystem", str(include)]
    command += ["-isystem", str(include / "executorch/runtime/core/portable_type/c10"), str(SOURCE)]
    # kernels and backends register themselves when they are loaded; nothing refers to them by name
    command += ["-o", str(goal / RUNNER), f"-L{goal}", "-Wl,--no-as-needed"]
    command += [f"-l{name.removeprefix('lib').removesuffix('.so')}" for name in _LIBRARIES]
    _run([*command, f"-Wl,-rpath-link,{goal}"], _COMPILE_SECONDS, "the C++ runner does not compile")


def _system_library(compiler: str, name: str) -> Path:
    done = _run([compiler, f"-print-file-name={name}"], 60, f"{compiler} cannot look up {name}")
    path = Path(done.stdout.strip())
    if not path.is_absolute():  # gcc answers the bare name for what it does not find
        raise DeviceError(f"{compiler} has no {name}; install its C and C++ run-time libraries")
    return path.resolve()


def _run(command: list[str], seconds: float, problem: str) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise DeviceError(f"{problem}: it took over {seconds:.0f} s") from None
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "rror" in line]
        raise DeviceError(f"{problem}: {errors[0].strip() if errors else _last_line(done.stderr)}")
    return done


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no output"


def build_plugin(cache: Path | None = None) -> Path:
    """Return qemu's instruction-counting plugin, compiled unless it is in the cache already.

    Raises:
        DeviceError: no C compiler, or it fails.
    """
    goal = (cache or cache_folder()) / "runner" / f"count_instructions-{sha256_of(PLUGIN)[:12]}.so"
    if goal.is_file():
        return goal
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise DeviceError(
            f"the instruction-counting plugin needs a C compiler; install it, e.g. {adding('gcc')}"
        )
    with tempfile.TemporaryDirectory() as scratch:
        built = Path(scratch) / "plugin.so"
        command = [compiler, "-O2", "-shared", "-fPIC", "-fvisibility=hidden", str(PLUGIN), "-o", str(built)]
        _run(command, _COMPILE_SECONDS, "the instruction-counting plugin does not compile")
        write_atomic(goal, built.read_bytes())
    return goal
