"""What is attached: phones in every state adb knows, hosts that a profile names, links that fail."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fer_deploy.devices import attached
from fer_deploy.devices.attached import READY, look_around, matching
from fer_deploy.devices.profile import load_profile, load_profiles
from fixtures.fake_adb import FakeAdb

PROFILES = load_profiles()


@pytest.mark.parametrize(
    ("properties", "profile"),
    [
        ({"ro.product.model": "Pixel 6"}, "pixel-6"),
        ({"ro.product.device": "e1q"}, "galaxy-s24"),
        ({"ro.board.platform": "msm8916"}, "android-a53"),
        ({"ro.product.model": "Nokia 3310"}, None),
        ({}, None),
    ],
)
def test_a_phone_is_matched_by_its_properties(
    properties: dict[str, str], profile: str | None, fake_adb: FakeAdb
) -> None:
    fake_adb.lists("A\tdevice\n")
    fake_adb.properties(properties)

    (phone,) = look_around(PROFILES).attached

    assert phone.state == READY
    assert phone.profile == profile
    assert phone.model == properties.get("ro.product.model")


def test_every_key_of_a_profile_has_to_match() -> None:
    pixel = load_profile("pixel-8")
    both = {"ro.product.model": ("Pixel 8",), "ro.board.platform": ("zuma",)}
    strict = pixel.model_copy(update={"match": pixel.match.model_copy(update={"getprop": both})})
    assert matching({"ro.product.model": "Pixel 8"}, [strict]) is None
    assert matching({"ro.product.model": "Pixel 8", "ro.board.platform": "zuma"}, [strict]) is strict
    assert matching({}, [load_profile("host")]) is None


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("unauthorized", "unauthorized; unlock it and allow USB debugging"),
        ("offline", "offline; unplug it and plug it in again"),
        ("no permissions (udev)", "add a udev rule"),
        ("recovery", "recovery; reconnect it"),
    ],
)
def test_a_phone_that_cannot_be_used_says_what_to_do(state: str, said: str, fake_adb: FakeAdb) -> None:
    fake_adb.lists(f"A\t{state}\n")
    (phone,) = look_around(PROFILES).attached
    assert said in phone.state
    assert phone.profile is None


def test_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_DEPLOY_ADB", "/nonexistent/adb")
    found = look_around(PROFILES)
    assert found.attached == ()
    assert "install Android's platform-tools, e.g. apt-get install adb" in found.not_seen[0]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo broken >&2; exit 1", "devices' failed: broken"),
        ("sleep 60", "devices' did not answer within 1 s"),
        (r"printf '\377\377'", None),
    ],
)
def test_a_client_that_fails_or_hangs(
    script: str, said: str | None, fake_adb: FakeAdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached, "_ANSWER_SECONDS", 1.0)
    fake_adb.behaves(script)
    began = time.monotonic()
    found = look_around(PROFILES)
    assert time.monotonic() - began < 10
    assert found.attached == ()
    assert [said is not None and said in one for one in found.not_seen] == ([True] if said else [])


@pytest.mark.parametrize("answer", ["sleep 60", "exit 1", "echo nonsense"])
def test_phones_that_do_not_answer_hold_nobody_up(
    answer: str, fake_adb: FakeAdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached, "_ANSWER_SECONDS", 1.0)
    fake_adb.behaves(f"[ \"$1\" = devices ] && printf 'A\\tdevice\\nB\\tdevice\\n' && exit; {answer}")
    began = time.monotonic()
    phones = look_around(PROFILES).attached
    assert time.monotonic() - began < 10
    assert [phone.address for phone in phones] == ["A", "B"]
    assert all("does not answer" in phone.state for phone in phones)


def test_hostile_serial_numbers_reach_no_shell(fake_adb: FakeAdb, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    fake_adb.lists(f"$(touch${{IFS}}{trap})\tdevice\n;touch {trap}\tdevice\n")
    assert len(look_around(PROFILES).attached) == 2
    assert not trap.exists()


def test_a_profile_s_own_host_that_is_not_there(fake_adb: FakeAdb) -> None:  # noqa: ARG001 - no phones
    pi = load_profile("raspberry-pi-5").model_copy(update={"address": "nobody@127.0.0.1"})
    (host,) = look_around([*PROFILES, pi]).attached
    assert host.transport == "ssh"
    assert host.address == "nobody@127.0.0.1"
    assert host.state != READY
    assert host.profile is None
