from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.devices.profile import device_names, load_profile, load_profile_file, processor_name
from fer_deploy.errors import DeviceError


def test_host_is_filled_in_from_the_machine() -> None:
    profile = load_profile("host")
    assert profile.soc == processor_name()
    assert "auto" not in (profile.soc, profile.os)
    assert profile.transport == "host"


@pytest.mark.parametrize("name", device_names())
def test_every_shipped_profile_loads_under_its_own_name(name: str) -> None:
    assert load_profile(name).name == name


def test_unknown() -> None:
    with pytest.raises(DeviceError, match=r"unknown device 'nokia-3310'; known: .*host"):
        load_profile("nokia-3310")


@pytest.mark.parametrize("content", ["", "name = 3", "[", 'name = "a"\nbogus = 1'])
def test_malformed(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.toml").write_text(content)
    with pytest.raises(DeviceError, match=r"a\.toml") as caught:
        load_profile_file(tmp_path / "a.toml")
    assert "pydantic" not in str(caught.value)
