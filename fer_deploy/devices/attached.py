"""What is attached to this machine now: phones that adb sees, ssh hosts that a profile names."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from pydantic import Field

from fer_deploy.devices.profile_schema import DeviceProfile
from fer_deploy.devices.transports.adb import Attached, adb_program, attached_devices, getprop_words, remedy
from fer_deploy.devices.transports.ssh import SshTransport
from fer_deploy.errors import DeviceError
from fer_deploy.frozen import Frozen

#: A listing is looked at, not waited for: seconds until a phone or a host that does not answer is given up.
_ANSWER_SECONDS = 10.0
_MODEL = "ro.product.model"
READY = "ready"


class AttachedDevice(Frozen):
    """A phone or a host that is there now, or that should be."""

    transport: Literal["adb", "ssh"]
    address: str = Field(description="what --address takes: a serial number, or an ssh host")
    state: str = Field(description=f"'{READY}', or what is wrong and what to do")
    model: str | None = Field(description="what it calls itself; None: it does not say")
    profile: str | None = Field(description="the profile that is its own; None: there is none")


class Surroundings(Frozen):
    """What was found, and for what could not be looked for one sentence each, with the remedy."""

    attached: tuple[AttachedDevice, ...]
    not_seen: tuple[str, ...]


def look_around(profiles: Sequence[DeviceProfile]) -> Surroundings:
    """Return the phones attached now and the hosts of profiles with an address.

    Never raises and never hangs: a link that fails becomes a sentence in ``not_seen``, a device that does not
    answer a state.
    """
    not_seen: tuple[str, ...] = ()
    phones: tuple[Attached, ...] = ()
    try:
        phones = attached_devices(_ANSWER_SECONDS)
    except DeviceError as error:
        not_seen = (str(error),)
    hosts = [profile for profile in profiles if profile.transport == "ssh" and profile.address]
    with ThreadPoolExecutor(max_workers=8) as pool:
        seen = [pool.submit(_phone, phone, profiles) for phone in phones]
        seen += [pool.submit(_host, profile) for profile in hosts]
        return Surroundings(attached=tuple(one.result() for one in seen), not_seen=not_seen)


def matching(properties: dict[str, str], profiles: Sequence[DeviceProfile]) -> DeviceProfile | None:
    """Return the first profile whose every ``match.getprop`` key has one of its values in ``properties``."""
    for profile in profiles:
        wanted = profile.match.getprop
        if wanted and all(properties.get(key) in accepted for key, accepted in wanted.items()):
            return profile
    return None


def _phone(phone: Attached, profiles: Sequence[DeviceProfile]) -> AttachedDevice:
    if phone.state != "device":
        state = f"{phone.state}; {remedy(phone.state)}"
        return AttachedDevice(transport="adb", address=phone.serial, state=state, model=None, profile=None)
    keys = sorted({_MODEL, *(key for profile in profiles for key in profile.match.getprop)})
    properties, state = properties_of(phone.serial, keys)
    found = matching(properties, profiles)
    return AttachedDevice(
        transport="adb",
        address=phone.serial,
        state=state,
        model=properties.get(_MODEL) or None,
        profile=found.name if found else None,
    )


def properties_of(serial: str, keys: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return a phone's properties by name, and the state that asking for them showed."""
    command = "; ".join(f"echo =; {getprop_words(key)}" for key in keys)
    try:
        done = subprocess.run(
            [adb_program(), "-s", serial, "shell", command], capture_output=True, text=True, errors="replace",
            timeout=_ANSWER_SECONDS, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return {}, f"does not answer within {_ANSWER_SECONDS:.0f} s; unplug it and plug it in again"
    values = [part.strip() for part in done.stdout.replace("\r\n", "\n").split("=\n")[1:]]
    if done.returncode != 0 or len(values) != len(keys):
        return {}, "does not answer; unplug it and plug it in again"
    return dict(zip(keys, values, strict=True)), READY


def _host(profile: DeviceProfile) -> AttachedDevice:
    address = str(profile.address)
    model, state = None, READY
    try:
        host = SshTransport(address, profile=profile)
        state = host.obstacle() or READY
        model = host.model() if state == READY else None
    except DeviceError as error:
        state = str(error)
    return AttachedDevice(
        transport="ssh",
        address=address,
        state=state,
        model=model,
        profile=profile.name if state == READY else None,
    )
