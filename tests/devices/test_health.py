"""What the doctor finds on a machine, and on machines that lack things."""

from __future__ import annotations

import importlib.metadata
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.devices import health
from fer_deploy.devices.health import HealthCheck, examine, satisfies
from fer_deploy.devices.transports.emulated import EmulatedTransport


def _by_name(checks: tuple[HealthCheck, ...]) -> dict[str, HealthCheck]:
    """Packages and transports by name; targets share names with packages."""
    others = [check for check in checks if check.area != "targets"]
    found = {check.name: check for check in others}
    assert len(found) == len(others)
    return found


def test_this_machine_can_do_the_main_job() -> None:
    checks = examine()
    assert not [check for check in checks if check.stops]
    found = _by_name(checks)
    assert found["torch"].found.startswith(importlib.metadata.version("torch").split("+")[0])
    assert {"executorch", "onnxruntime", "coremltools", "numpy", "python"} <= set(found)
    assert {"adb client", "ssh", "chromium", "qemu-aarch64", "aarch64 compiler", "macOS"} <= set(found)
    for check in checks:
        if check.status == "missing":
            assert check.add, check.name


def test_a_bare_machine_is_told_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name, **_where: None)
    found = _by_name(examine())
    for name in ("ssh", "scp", "chromium", "node", "qemu-aarch64", "aarch64 compiler", "C++ compiler"):
        assert found[name].status == "missing"
        assert (found[name].add or "").startswith("sudo apt-get install ")
        assert not found[name].stops


def test_a_wrong_version_is_named_with_its_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "2.7.0" if name == "torch" else real(name)
    )
    torch = _by_name(examine())["torch"]
    assert torch.status == "differs"
    assert torch.found == "2.7.0, needs ==2.13.0"
    assert torch.add == "pip install 'torch==2.13.0'"


def test_a_missing_package_stops_the_main_job(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "executorch":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert [check.name for check in examine() if check.stops] == ["executorch"]


def _qemu_program(folder: Path, version: str, plugins: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "qemu-aarch64"
    options = "-plugin x" if plugins else "-cpu x"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --help ] && echo "{options}" || echo qemu-aarch64 version {version}\n',
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.fixture
def no_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose every place for emulators is an empty folder of the test."""
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("FER_DEPLOY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FER_DEPLOY_QEMU", str(tmp_path / "own"))


@pytest.mark.usefixtures("no_qemu")
@pytest.mark.parametrize("place", ["path", "cache/qemu", "own"])
@pytest.mark.parametrize(
    ("printed", "status"), [("7.2.22", "differs"), ("10.0.2", "ready"), ("9.1.0", "differs")]
)
def test_qemu_is_judged_by_its_version(tmp_path: Path, place: str, printed: str, status: str) -> None:
    """The doctor and the emulated transport look in the same places."""
    program = _qemu_program(tmp_path / place, printed)
    check = health._qemu()
    assert check.status == status
    assert f"{program} {'.'.join(printed.split('.')[:2])}" in check.found
    assert (check.add is None) == (status == "ready")
    transport = EmulatedTransport("cortex-a76")
    assert "no qemu-aarch64" not in str(transport.obstacle("executorch"))
    assert ("no qemu-aarch64 10.0" in str(transport.obstacle("onnx"))) == (status == "differs")


@pytest.mark.usefixtures("no_qemu")
def test_each_emulator_is_found_for_what_it_can_do(tmp_path: Path) -> None:
    assert health._qemu().status == "missing"
    old = _qemu_program(tmp_path / "path", "7.2.22", plugins=True)
    new = _qemu_program(tmp_path / "cache" / "qemu", "10.0.13")
    assert health._qemu().found == f"{new} 10.0; instructions are counted by {old} 7.2"
    old.unlink()
    assert health._qemu().found == f"{new} 10.0; none here counts instructions"
    new.write_text("not a program")
    assert health._qemu().status == "missing"
    assert "cannot be started" in health._qemu().found


def test_a_program_that_fails_to_answer_is_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh"
    program.write_text("not a program", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    check = _by_name(health._transports())["ssh"]
    assert check.status == "ready"
    assert check.found == str(program)


_VERSION = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@given(_VERSION, _VERSION)
def test_versions_are_ordered(one: str, other: str) -> None:
    assert satisfies(one, f"=={one}")
    assert satisfies(one, f">={one}")
    assert not satisfies(one, f"<{one}")
    assert satisfies(one, f">={other}") != satisfies(one, f"<{other}")
    assert satisfies(one, f"=={other}") == (satisfies(one, f">={other}") and satisfies(other, f">={one}"))


def test_builds_and_ranges() -> None:
    assert satisfies("2.13.0+cpu", "==2.13.0")
    assert satisfies("2.3.5", "<2.4,>=1.26")
    assert not satisfies("2.4.0", "<2.4,>=1.26")
    assert satisfies("1.0", "")
