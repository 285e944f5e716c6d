"""Device profiles: one TOML file each, shipped in the wheel."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from fer_deploy.contract import Frozen, first_problem
from fer_deploy.errors import DeviceError
from fer_deploy.files import read_toml

_PACKAGE = Path(__file__).resolve().parent.parent
#: In the wheel, then in a checkout.
_FOLDERS = (_PACKAGE / "_profiles", _PACKAGE.parent / "profiles")


class DeviceProfile(Frozen):
    """What is known of a device before anything runs on it. ``auto`` is read from the machine itself."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    market_name: str = Field(min_length=1)
    soc: str = Field(min_length=1)
    os: str = Field(min_length=1)
    transport: Literal["host"]
    targets: tuple[str, ...] = Field(min_length=1)
    sources: tuple[str, ...] = Field(min_length=1, description="where the figures of this file come from")


def _folder() -> Path:
    for folder in _FOLDERS:
        if folder.is_dir():
            return folder
    raise DeviceError(
        f"no device profiles: neither {_FOLDERS[0]} nor {_FOLDERS[1]} exists; reinstall fer-deploy"
    )


def load_profile_file(path: Path) -> DeviceProfile:
    """Return the profile in a TOML file.

    Raises:
        DeviceError: missing, not TOML, or a key is missing, unknown or out of range.
    """
    try:
        return DeviceProfile.model_validate(read_toml(path, DeviceError, "device profile"))
    except ValidationError as error:
        raise DeviceError(f"device profile {path} is not valid: {first_problem(error)}") from None


def device_names() -> tuple[str, ...]:
    """Return the names of all shipped profiles."""
    return tuple(sorted(path.stem for path in _folder().glob("*.toml")))


def load_profile(name: str) -> DeviceProfile:
    """Return the profile called ``name``, with ``auto`` fields filled in.

    Raises:
        DeviceError: there is none.
    """
    if name not in device_names():
        raise DeviceError(f"unknown device '{name}'; known: {', '.join(device_names())}")
    profile = load_profile_file(_folder() / f"{name}.toml")
    return profile.model_copy(
        update={
            "soc": processor_name() if profile.soc == "auto" else profile.soc,
            "os": platform.platform(terse=True) if profile.os == "auto" else profile.os,
        }
    )


def processor_name() -> str:
    """Return the host's processor as the system names it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
