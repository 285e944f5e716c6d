"""Device profiles by name: the shipped ones, the user's own, and what an alias stands for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fer_deploy.devices.profile_schema import DeviceProfile, load_profile_file, processor_name
from fer_deploy.errors import DeviceError
from fer_deploy.names import meant

__all__ = [
    "DeviceProfile",
    "Resolved",
    "device_names",
    "load_profile",
    "load_profile_file",
    "load_profiles",
    "processor_name",
    "resolve",
]

_PACKAGE = Path(__file__).resolve().parent.parent
#: In the wheel, then in a checkout.
_FOLDERS = (_PACKAGE / "_profiles", _PACKAGE.parent / "profiles")
#: Names a folder of the user's own profiles.
VARIABLE = "FER_DEPLOY_PROFILES"


@dataclass(frozen=True)
class Resolved:
    """The profile a name stands for.

    Attributes:
        asked: what the user wrote.
        profile: what it stands for.
        serial: of the attached phone that it stands for; None: nothing attached was looked for.
    """

    asked: str
    profile: DeviceProfile
    serial: str | None = None

    @property
    def notice(self) -> str | None:
        """One sentence for the user when ``asked`` was an alias, or None."""
        if self.serial is not None:
            known = self.profile.market_name in (one.market_name for one in load_profiles())
            whose = f"profile '{self.profile.name}'" if known else "no profile: what it says of itself"
            return f"device '{self.asked}' is the phone {self.serial}, {self.profile.market_name} ({whose})"
        if self.asked not in self.profile.aliases:
            return None
        return (
            f"device '{self.asked}' is {self.profile.market_name} "
            f"(profile '{self.profile.name}', {self.profile.soc})"
        )


def _shipped() -> Path:
    for folder in _FOLDERS:
        if folder.is_dir():
            return folder
    raise DeviceError(
        f"no device profiles: neither {_FOLDERS[0]} nor {_FOLDERS[1]} exists; reinstall fer-deploy"
    )


def _folders() -> tuple[Path, ...]:
    own = os.environ.get(VARIABLE)
    if not own:
        return (_shipped(),)
    if not Path(own).is_dir():
        raise DeviceError(f"{VARIABLE} is '{own}', which is not a folder; point it at one or unset it")
    return (_shipped(), Path(own))


def load_profiles() -> tuple[DeviceProfile, ...]:
    """Return all shipped profiles and those of the folder in FER_DEPLOY_PROFILES, sorted by name.

    Raises:
        DeviceError: a file is not a valid profile, is not called after its profile, or two profiles claim
            one name or alias.
    """
    owners: dict[str, Path] = {}
    profiles = []
    for path in sorted(path for folder in _folders() for path in folder.glob("*.toml")):
        profile = load_profile_file(path)
        if path.stem != profile.name:
            raise DeviceError(
                f"device profile {path} has the name '{profile.name}'; call the file {profile.name}.toml"
            )
        for name in (profile.name, *profile.aliases):
            if name in owners:
                raise DeviceError(f"device name '{name}' is claimed by both {owners[name]} and {path}")
            owners[name] = path
        profiles.append(profile)
    return tuple(sorted(profiles, key=lambda profile: profile.name))


def device_names() -> tuple[str, ...]:
    """Return the names of all profiles, without aliases."""
    return tuple(profile.name for profile in load_profiles())


def resolve(asked: str) -> Resolved:
    """Return the profile that a name, an alias or the path of a ``.toml`` file stands for.

    Raises:
        DeviceError: there is none, or the file is not a valid profile.
    """
    if asked.endswith(".toml"):
        return Resolved(asked, load_profile_file(Path(asked)))
    profiles = load_profiles()
    for profile in profiles:
        if asked == profile.name or asked in profile.aliases:
            return Resolved(asked, profile)
    known = ", ".join(profile.name for profile in profiles)
    near = meant(asked, (name for profile in profiles for name in (profile.name, *profile.aliases)))
    raise DeviceError(
        f"unknown device {asked[:80]!r}{near}; known: {known}; or give the path of your own profile, ending in .toml"
    )


def load_profile(asked: str) -> DeviceProfile:
    """Return :func:`resolve`'s profile; for callers that have already told the user what a name stands for."""
    return resolve(asked).profile
