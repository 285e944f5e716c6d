"""On a Mac, faked here: commands are a Mac's own, what needs Linux is refused in a sentence, the rest works."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.devices import profile_schema
from fer_deploy.devices.installing import adding, is_linux, is_mac, requires_linux
from fer_deploy.devices.runners.build import build_runner
from fer_deploy.devices.transports.adb import attached_devices
from fer_deploy.devices.transports.browser import BrowserTransport
from fer_deploy.devices.transports.emulated import EmulatedTransport
from fer_deploy.errors import DeviceError

PROGRAMS = ("adb", "aarch64-linux-gnu-g++", "chromium", "g++", "gcc", "node", "qemu-user", "ssh")


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Say that this is a Mac with no tool installed."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FER_DEPLOY_CACHE", str(tmp_path))
    for name in ("FER_DEPLOY_ADB", "FER_DEPLOY_CHROMIUM", "FER_DEPLOY_QEMU"):
        monkeypatch.delenv(name, raising=False)


def test_here_it_is_debian_s() -> None:
    assert is_linux()
    assert not is_mac()
    assert requires_linux("this needs", "do that") is None
    for program in PROGRAMS:
        assert adding(program).startswith("apt-get install ")  # type: ignore[arg-type]


@pytest.mark.usefixtures("mac")
def test_no_command_of_debian_s_on_a_mac() -> None:
    for program in PROGRAMS:
        assert "apt" not in adding(program)  # type: ignore[arg-type]
    assert requires_linux("this needs", "do that") == "this needs Linux, this is macOS; do that"


@pytest.mark.usefixtures("mac")
def test_what_needs_linux_is_refused() -> None:
    for arch in ("x86_64", "aarch64"):
        with pytest.raises(
            DeviceError, match="runner is built on Linux, this is macOS; phones are timed without it"
        ):
            build_runner(arch)
    assert "needs Linux, this is macOS" in (EmulatedTransport("cortex-a76").obstacle() or "")
    result = CliRunner().invoke(main, ["build-runner", "--arch", "aarch64"])
    assert result.exit_code == 2
    assert "this is macOS" in result.stderr


@pytest.mark.usefixtures("mac")
def test_what_is_missing_is_added_by_homebrew() -> None:
    with pytest.raises(DeviceError, match="'adb' is not installed"):
        attached_devices()
    assert "brew install node" in (BrowserTransport().obstacle() or "")


@pytest.mark.usefixtures("mac")
def test_doctor_names_no_command_that_a_mac_lacks() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json"])
    assert "apt-get" not in result.stdout
    assert "brew install" in result.stdout


@pytest.mark.usefixtures("mac")
def test_cores_cannot_be_chosen_there(lowered: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from fer_deploy.devices.runners.host_runner import time_artifact
    from fer_deploy.devices.timing import TimingProtocol

    monkeypatch.delattr(os, "sched_setaffinity")
    artifact, _ = lowered("onnx", "float")  # type: ignore[operator]
    with pytest.raises(DeviceError, match="lets no program choose its cores; leave cores out"):
        time_artifact(artifact.folder, TimingProtocol(cores=(0,)))


@pytest.mark.usefixtures("mac")
def test_the_processor_is_what_the_mac_calls_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sysctl = tmp_path / "sysctl"
    sysctl.write_text('#!/bin/sh\n[ "$2" = machdep.cpu.brand_string ] && echo "Apple M2 Pro"\n')
    sysctl.chmod(0o755)
    monkeypatch.setattr(profile_schema, "_CPUINFO", Path("/nonexistent"))
    assert profile_schema.processor_name() == "Apple M2 Pro"
