"""Profiles: the shipped ones are complete and sourced; a user's own is checked with exact messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_deploy.devices.profile import VARIABLE, device_names, load_profile, load_profiles, resolve
from fer_deploy.devices.profile_schema import SOURCED, DeviceProfile, load_profile_file
from fer_deploy.errors import DeviceError

_PROMISED = (
    *("pixel-6", "pixel-7", "pixel-8", "pixel-9", "galaxy-s23", "galaxy-s24", "galaxy-s25", "android-a53"),
    *("iphone-12", "iphone-13", "iphone-14", "iphone-15", "iphone-16", "raspberry-pi-4", "raspberry-pi-5"),
    *("host", "browser"),
)


def _own(**changes: Any) -> dict[str, Any]:
    table: dict[str, Any] = {
        "name": "my-phone",
        "market_name": "My Phone",
        "soc": "Some SoC",
        "os": "Android",
        "transport": "adb",
        "targets": ["executorch"],
        "cores": [{"count": 4, "microarchitecture": "Cortex-A53", "max_ghz": 1.4}],
        "sources": [{"figures": ["soc", "cores"], "where": "the box it came in"}],
    }
    return {key: value for key, value in {**table, **changes}.items() if value is not None}


def _write(folder: Path, table: dict[str, Any], name: str = "my-phone.toml") -> Path:
    path = folder / name
    path.write_bytes(tomli_w.dumps(table).encode())
    return path


def test_promised_profiles_are_shipped() -> None:
    assert set(_PROMISED) <= set(device_names())


@pytest.mark.parametrize("profile", load_profiles(), ids=lambda profile: profile.name)
def test_shipped_figures_have_sources(profile: DeviceProfile) -> None:
    for figure in SOURCED:
        if getattr(profile, figure):
            assert profile.sources_of(figure), figure
    assert set(profile.delegates) == set(profile.targets)
    for cluster in profile.cores:
        assert "dotprod" in cluster.features or "i8mm" not in cluster.features


def test_phones_can_be_recognised_when_attached() -> None:
    for profile in load_profiles():
        if profile.transport == "adb":
            assert profile.match.getprop, profile.name
        if profile.transport == "ssh":
            assert profile.match.device_tree_model, profile.name


@pytest.mark.parametrize(("alias", "name"), [("pixel", "pixel-9"), ("iphone", "iphone-16")])
def test_aliases_say_what_they_stand_for(alias: str, name: str) -> None:
    resolved = resolve(alias)
    assert resolved.profile.name == name
    assert resolved.notice is not None
    assert alias in resolved.notice
    assert resolved.profile.market_name in resolved.notice
    assert resolve(name).notice is None


def test_host_is_read_from_the_machine() -> None:
    host = load_profile("host")
    assert host.soc != "auto"
    assert host.os != "auto"


def test_own_profile_by_path(tmp_path: Path) -> None:
    resolved = resolve(str(_write(tmp_path, _own())))
    assert resolved.profile.market_name == "My Phone"
    assert resolved.profile.core_count == 4


def test_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, _own(aliases=["mine"]))
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert "my-phone" in device_names()
    assert resolve("mine").profile.name == "my-phone"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "colour: unknown key"),
        ({"transport": "pigeon"}, "transport: Input should be 'host', 'adb', 'devicectl', 'ssh', 'browser'"),
        ({"targets": None}, "targets: Field required"),
        ({"name": "../up"}, "name: String should match pattern"),
        ({"market_name": "a\x1b[31mred"}, "market_name: String should match pattern"),
        (
            {"sources": [{"figures": ["soc"], "where": "x"}]},
            'cores has no source; add [[sources]] with figures = ["cores"] and where, or leave cores out',
        ),
        ({"delegates": {"onnx": ["cpu"]}}, "delegates names 'onnx', which is not in targets ['executorch']"),
        (
            {"sources": [{"figures": ["soc", "cores", "speed"], "where": "x"}]},
            "sources cites 'speed', which is not a key of a profile",
        ),
        ({"address": "-oProxyCommand=x"}, "address: String should match pattern"),
        (
            {"transport": "host", "address": "pi"},
            "address is for transport adb, devicectl or ssh, not host; leave it out",
        ),
        (
            {"cores": [{"count": 0, "microarchitecture": "Cortex-A53"}]},
            "cores.0.count: Input should be greater than or equal to 1",
        ),
    ],
)
def test_own_profile_is_checked(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = _write(tmp_path, _own(**changes))
    with pytest.raises(DeviceError) as caught:
        load_profile_file(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_file_must_be_called_after_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, _own(), "other.toml")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(DeviceError, match=r"has the name 'my-phone'; call the file my-phone\.toml"):
        load_profiles()


def test_names_are_claimed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, _own(aliases=["pixel"]))
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(DeviceError, match="device name 'pixel' is claimed by both"):
        load_profiles()


def test_missing_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(DeviceError, match="which is not a folder"):
        load_profiles()


_KNOWN = {one for profile in load_profiles() for one in (profile.name, *profile.aliases)}


@settings(max_examples=25)  # each reads every profile
@given(st.text(max_size=200))
def test_hostile_names_are_refused_in_one_line(name: str) -> None:
    if name in _KNOWN:
        return
    with pytest.raises(DeviceError) as caught:
        resolve(name)
    assert "\x1b" not in str(caught.value)


def test_missing_file_is_said() -> None:
    with pytest.raises(DeviceError, match=r"device profile no/such\.toml does not exist"):
        resolve("no/such.toml")


@pytest.mark.parametrize("content", ["", "name = 3", "[", 'name = "a"\nbogus = 1'])
def test_malformed(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.toml").write_text(content)
    with pytest.raises(DeviceError, match=r"a\.toml") as caught:
        load_profile_file(tmp_path / "a.toml")
    assert "pydantic" not in str(caught.value)
