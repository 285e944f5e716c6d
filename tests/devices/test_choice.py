"""What 'pixel', 'galaxy' and 'android' stand for: the phone that is attached, with or without a profile of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_deploy.cli import main
from fer_deploy.devices.choice import chosen, profile_of
from fer_deploy.devices.profile import load_profile
from fer_deploy.errors import DeviceError
from fer_deploy.pipeline.inputs import _device
from fixtures.fake_adb import FakeAdb
from fixtures.lowered import Lower

WIFI = "adb-2A1FDH3X (2)._adb-tls-connect._tcp"


def google(model: str) -> dict[str, str]:
    return {"ro.product.manufacturer": "Google", "ro.product.model": model}


PIXEL_8, PIXEL_9, PIXEL_99 = google("Pixel 8"), google("Pixel 9"), google("Pixel 99")
GALAXY = {
    "ro.product.manufacturer": "samsung",
    "ro.product.model": "SM-S921U",
    "ro.product.device": "e1q",
}
OTHER = {
    "ro.product.manufacturer": "Fairphone",
    "ro.product.model": "FP5",
    "ro.soc.manufacturer": "QTI",
    "ro.soc.model": "QCM6490",
    "ro.build.version.release": "15",
}


@pytest.mark.parametrize(
    ("asked", "phone", "name", "market_name"),
    [
        ("pixel", PIXEL_8, "pixel-8", "Google Pixel 8"),
        ("pixel", PIXEL_9, "pixel-9", "Google Pixel 9"),
        ("pixel", PIXEL_99, "google-pixel-99", "Google Pixel 99"),
        ("galaxy", GALAXY, "galaxy-s24", "Samsung Galaxy S24"),
        ("android", GALAXY, "galaxy-s24", "Samsung Galaxy S24"),
        ("android", OTHER, "fairphone-fp5", "Fairphone FP5"),
    ],
)
def test_a_family_is_the_phone_attached(
    fake_adb: FakeAdb, asked: str, phone: dict[str, str], name: str, market_name: str
) -> None:
    fake_adb.phones({WIFI: phone})
    found = chosen(asked)
    assert (found.profile.name, found.profile.market_name, found.serial) == (name, market_name, WIFI)
    assert found.profile.address == WIFI
    assert found.notice is not None
    assert f"the phone {WIFI}, {market_name}" in found.notice
    assert ("no profile: what it says of itself" in found.notice) == (phone in (OTHER, PIXEL_99))
    # under its name too: a report's device is timed again as long as the phone is there
    assert chosen(name).profile.name == name


def test_a_run_takes_the_names_that_profile_takes(fake_adb: FakeAdb) -> None:
    fake_adb.phones({"A": OTHER})
    for asked in ("android", "fairphone-fp5"):
        assert _device(asked, None).profile.name == "fairphone-fp5"


def test_what_a_phone_says_of_itself() -> None:
    profile = profile_of(OTHER, "A")
    assert (profile.soc, profile.os, profile.address) == ("QTI QCM6490", "Android 15", "A")
    assert profile.match.getprop == {"ro.product.model": ("FP5",)}
    assert profile.cores == ()
    assert profile_of({}, "A").name == "phone-of-no-name"
    odd = profile_of({"ro.product.manufacturer": "\x1b[31m\n", "ro.product.model": "\U0001f4f1 x"}, "A")
    assert odd.name == "31m-x"
    assert odd.market_name == "[31m \U0001f4f1 x"


def test_without_a_phone_it_is_the_profile_that_claims_the_name(fake_adb: FakeAdb) -> None:
    fake_adb.lists("emulator-5554\toffline\n")
    assert chosen("pixel").profile == load_profile("pixel-9")
    with pytest.raises(DeviceError, match="no phone is attached"):
        chosen("android")
    with pytest.raises(DeviceError, match="unknown device 'fairphone-fp5'"):
        chosen("fairphone-fp5")


def test_without_a_client_it_is_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_DEPLOY_ADB", "/nonexistent/adb")
    assert chosen("pixel").profile == load_profile("pixel-9")


def test_of_several_phones_the_one_of_the_family_or_the_one_named(
    fake_adb: FakeAdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_adb.phones({"A": PIXEL_8, "B": GALAXY, "C": PIXEL_9})
    assert chosen("galaxy").serial == "B"
    with pytest.raises(DeviceError, match=r"2 phones .* \(A: Google Pixel 8, C: Google Pixel 9\)"):
        chosen("pixel")
    assert chosen("pixel", "C").profile.name == "pixel-9"
    monkeypatch.setenv("ANDROID_SERIAL", "A")
    assert chosen("pixel").profile.name == "pixel-8"


@pytest.mark.parametrize(
    ("asked", "rows", "said"),
    [
        ("pixel", "B\tdevice\n", r"no Pixel is attached, but B: Samsung Galaxy S24; --device android"),
        ("pixel", "B\tunauthorized\n", "phone B is unauthorized: unlock it and allow USB debugging"),
        ("android", "B\toffline\n", "phone B is offline: unplug it"),
    ],
)
def test_a_phone_that_cannot_be_taken_is_said(fake_adb: FakeAdb, asked: str, rows: str, said: str) -> None:
    fake_adb.phones({"B": GALAXY})
    fake_adb.lists(rows)
    with pytest.raises(DeviceError, match=said):
        chosen(asked)


@pytest.mark.parametrize(
    ("asked", "phone", "name", "said"),
    [
        ("pixel", PIXEL_8, "pixel-8", "nothing was measured on Google Pixel 8"),
        ("pixel", PIXEL_99, "google-pixel-99", "nothing was measured on Google Pixel 99"),
        ("galaxy", GALAXY, "galaxy-s24", "nothing was measured on Samsung Galaxy S24"),
        ("android", OTHER, "fairphone-fp5", "nothing was measured on Fairphone FP5"),
        ("pixel-9", PIXEL_8, "pixel-9", "is not Google Pixel 9: its ro.product.model is 'Pixel 8'"),
    ],
)
def test_a_phone_on_which_nothing_was_measured_does_not_end_well(
    fake_adb: FakeAdb, lowered: Lower, asked: str, phone: dict[str, str], name: str, said: str
) -> None:
    """It has no demo, and nothing runs ONNX there without: said on stderr, with what adds it, exit code 4."""
    fake_adb.phones({WIFI: phone})
    folder = str(lowered("onnx", "float")[0].folder)
    result = CliRunner().invoke(main, ["profile", folder, "--device", asked, "--json"])
    assert result.exit_code == 4, result.output
    assert said in result.stderr
    assert f"phone {WIFI} is attached" in result.stderr
    report = json.loads(result.stdout)
    assert report["name"] == name
    assert report["asked"] == (asked if asked != "pixel-9" else None)
    figure = report["figures"][0]["latency_p50"]
    if asked != "pixel-9":
        assert "build-apk.sh" in result.stderr
        assert figure["provenance"] == "not measured"


def test_no_phone_is_no_failure(fake_adb: FakeAdb, lowered: Lower) -> None:
    fake_adb.lists("emulator-5554\toffline\n")
    folder = str(lowered("onnx", "float")[0].folder)
    result = CliRunner().invoke(main, ["profile", folder, "--device", "pixel", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["attached"] is None


def test_a_client_that_fails_is_no_phone(fake_adb: FakeAdb, tmp_path: Path) -> None:
    fake_adb.behaves(f"echo broken >&2; touch {tmp_path}/asked; exit 1")
    assert chosen("pixel").profile.name == "pixel-9"
    assert (tmp_path / "asked").exists()
