"""The demos' toolchains, where the scripts have fetched them; without one, its tests skip and say so at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fer_deploy.devices.runners.build import cache_folder

REPOSITORY = Path(__file__).resolve().parents[2]
_USER_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_CACHE = Path(os.environ.get("FER_TOOLCHAIN") or _USER_CACHE / "fer-deploy")
_MISSING = pytest.StashKey[dict[str, str]]()

Script = Callable[..., subprocess.CompletedProcess[str]]


def android_cache() -> Path:
    """Return the folder that ``android_demo/build-apk.sh`` fetches its toolchain into."""
    return _CACHE / "android"


def _require(request: pytest.FixtureRequest, name: str, sign: str, command: str) -> None:
    if not any(_CACHE.glob(sign)):
        request.config.stash.setdefault(_MISSING, {})[name] = command
        pytest.skip(f"no {name} toolchain in {_CACHE}: run {command}")


@pytest.fixture
def repository_copy(tmp_path: Path) -> Path:
    """Both demos and the vectors, to change at will."""
    ignore = shutil.ignore_patterns("build", ".build", "assets", "Artifact")
    for folder in ("android_demo", "ios_demo", "tests/apps/vectors"):
        shutil.copytree(REPOSITORY / folder, tmp_path / "repository" / folder, ignore=ignore)
    return tmp_path / "repository"


def _run(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
        env={**os.environ, **_strings(environment)},
    )


def _strings(environment: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in environment.items()}


@pytest.fixture
def build_apk(request: pytest.FixtureRequest, repository_copy: Path) -> Script:
    """Runs ``android_demo/build-apk.sh MODE`` on the copy; keyword arguments are environment variables."""
    _require(request, "Android", "android/kotlin-*", "android_demo/build-apk.sh")
    return lambda mode, **more: _run(repository_copy / "android_demo" / "build-apk.sh", mode, **more)


@pytest.fixture(scope="session")
def android_runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with programs that run the demo's engines here; ``host_runtime``'s scripts list them."""
    _require(request, "Android", "android/kotlin-*", "android_demo/build-apk.sh")
    demo, build = REPOSITORY / "android_demo", tmp_path_factory.mktemp("android") / "build"
    qemu = Path(os.environ.get("QEMU") or cache_folder() / "qemu" / "qemu-aarch64")
    cross = shutil.which(os.environ.get("CROSS_CC") or "aarch64-linux-gnu-gcc")
    arch = ("arm64",) if cross and qemu.exists() else ()
    for script, arguments in (
        (demo / "build-apk.sh", ("check",)),
        (demo / "host_runtime" / "prepare.sh", arch),
        (demo / "host_runtime" / "prepare_executorch.sh", ()),
        (demo / "host_runtime" / "prepare_litert.sh", ()),
    ):
        done = _run(script, *arguments, BUILD_DIR=str(build))
        assert done.returncode == 0, done.stdout + done.stderr
    return build / "host"


@pytest.fixture
def check_swift(request: pytest.FixtureRequest, repository_copy: Path) -> Script:
    """Runs ``ios_demo/check-linux.sh`` on the copy; keyword arguments are environment variables."""
    _require(request, "Swift", "swift-trixie/usr/bin", "ios_demo/check-linux.sh")
    return lambda **more: _run(repository_copy / "ios_demo" / "check-linux.sh", **more)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, command in config.stash.get(_MISSING, {}).items():
        terminalreporter.section(f"{name.upper()} DEMO NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"SKIPPED: no toolchain; {command} fetches it", red=True, bold=True)
