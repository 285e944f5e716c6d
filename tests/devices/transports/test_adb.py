"""Choosing a phone from what ``adb devices`` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.devices.transports.adb import AdbTransport, Attached, attached_devices, parse_devices
from fer_deploy.errors import DeviceError

LISTING = """* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
R5CT1234567\tdevice
emulator-5554\toffline
0123456789ABCDEF\tunauthorized
8A2X0\tno permissions (missing udev rules? user is in the plugdev group); see [http://developer.android.com]

"""


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An adb client that prints the file beside it; the test writes that file."""
    program = tmp_path / "adb"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/listing\n")
    program.chmod(0o755)
    monkeypatch.setenv("FER_DEPLOY_ADB", str(program))
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    return tmp_path / "listing"


def test_listing() -> None:
    found = parse_devices(LISTING)
    assert found[:3] == (
        Attached("R5CT1234567", "device"),
        Attached("emulator-5554", "offline"),
        Attached("0123456789ABCDEF", "unauthorized"),
    )
    assert found[3].state.startswith("no permissions")
    (wifi,) = parse_devices("List of devices attached\nadb-2A1 (2)._adb-tls-connect._tcp\tdevice\n")
    assert wifi == Attached("adb-2A1 (2)._adb-tls-connect._tcp", "device")
    assert parse_devices("List of devices attached\n\n") == ()


@pytest.mark.parametrize(
    ("rows", "serial", "message"),
    [
        ("", None, "no phone is attached"),
        (
            "A\tdevice\nB\tdevice\n",
            None,
            r"2 phones are attached \(A: device, B: device\); choose one by --address",
        ),
        ("emulator-5554\toffline\n", None, "no phone is attached"),
        ("A\tunauthorized\n", None, "phone A is unauthorized; unlock it and allow USB debugging"),
        ("A\toffline\n", None, "phone A is offline; unplug it"),
        ("A\tno permissions (udev)\n", None, "add a udev rule"),
        ("A\trecovery\n", None, "phone A is recovery; reconnect it"),
        ("A\tdevice\n", "B", "phone 'B' is not attached; attached: A"),
    ],
)
def test_what_is_wrong_with_the_choice(adb: Path, rows: str, serial: str | None, message: str) -> None:
    adb.write_text("List of devices attached\n" + rows)
    with pytest.raises(DeviceError, match=message):
        _ = AdbTransport(serial).device
    assert AdbTransport(serial).obstacle() is not None


def test_the_only_phone_the_named_phone_and_androids_variable(
    adb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adb.write_text("List of devices attached\nA\tdevice\n")
    assert AdbTransport().device == "phone A"
    adb.write_text("List of devices attached\nemulator-5554\toffline\nA\tdevice\n")
    assert AdbTransport().device == "phone A"
    adb.write_text("List of devices attached\nA\tdevice\nB\tdevice\n")
    assert AdbTransport("B").device == "phone B"
    monkeypatch.setenv("ANDROID_SERIAL", "A")
    assert AdbTransport().device == "phone A"


def test_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_DEPLOY_ADB", "/nonexistent/adb")
    with pytest.raises(
        DeviceError, match=r"the client '/nonexistent/adb' is not installed; install Android's"
    ):
        attached_devices()
