"""The adb transport: an Android phone, by the plain ``adb`` client; and what Android says of heat, charge and radio.

The C++ runner runs ExecuTorch artifacts; what it cannot run, the Android demo does where it is installed.

The client is the user's own (Android's platform-tools or the distribution's), not one bundled by a Python
package: an adb server of another version would be killed and restarted by every call of the other client.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.profile_schema import DeviceProfile
from fer_deploy.devices.runners.build import Bundle
from fer_deploy.devices.runners.job import (
    DEMO_INSTALL_HINT,
    DEMO_IS_INSTALLED,
    Job,
    clean_up_demo,
    make_demo_job,
    runners_of,
    shell_runner,
)
from fer_deploy.devices.timing import DeviceState, TimingProtocol
from fer_deploy.devices.transports.remote import RemoteTransport
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Runner

#: Names the adb program; default ``adb`` of PATH.
PROGRAM_VARIABLE = "FER_DEPLOY_ADB"
_LIST_SECONDS = 60  # may have to start the adb server first
#: What to do about a phone, by the beginning of the state that adb reports.
_HELP = {
    "unauthorized": "unlock it and allow USB debugging",
    "offline": "unplug it and plug it in again",
    "no permissions": "add a udev rule for it or join the group plugdev",
}


@dataclass(frozen=True)
class Attached:
    """One line of ``adb devices``: serial number and state (``device`` when usable)."""

    serial: str
    state: str


def adb_program() -> str:
    """Return the adb client to use."""
    return os.environ.get(PROGRAM_VARIABLE) or "adb"


def parse_devices(text: str) -> tuple[Attached, ...]:
    """Return the devices that ``adb devices`` lists."""
    rows = (re.split(r"\s+", line.strip(), maxsplit=1) for line in text.splitlines() if "\t" in line)
    return tuple(Attached(row[0], row[1]) for row in rows if len(row) == 2)


def remedy(state: str) -> str:
    """Return what to do about a phone in a state of ``adb devices`` other than ``device``."""
    return next((text for key, text in _HELP.items() if state.startswith(key)), "reconnect it")


def getprop_words(name: str) -> str:
    """Return the command line that prints an Android system property, for the phone's shell."""
    return f"getprop {shlex.quote(name)}"


def attached_devices(seconds: float = _LIST_SECONDS) -> tuple[Attached, ...]:
    """Return the phones that adb sees now.

    Raises:
        DeviceError: there is no adb client, it fails, or it takes longer than ``seconds``.
    """
    program = adb_program()
    try:
        done = subprocess.run(
            [program, "devices"], capture_output=True, text=True, errors="replace", timeout=seconds,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        raise DeviceError(f"the client '{program}' is not installed; {AdbTransport.install_hint}") from None
    except subprocess.TimeoutExpired:
        raise DeviceError(f"'{program} devices' did not answer within {seconds:.0f} s") from None
    if done.returncode != 0:
        raise DeviceError(f"'{program} devices' failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return parse_devices(done.stdout)


class AdbTransport(RemoteTransport):
    """One phone, chosen by serial number, by ANDROID_SERIAL, or because it is the only one attached."""

    name: ClassVar[str] = "adb"
    #: The one folder that adb's user may write to and execute from on every Android.
    folder: ClassVar[str] = "/data/local/tmp/fer-deploy-run"
    _clean_first: ClassVar[str] = f"{clean_up_demo(folder)}; "
    install_hint: ClassVar[str] = "install Android's platform-tools, e.g. apt-get install adb"

    def __init__(
        self,
        serial: str | None = None,
        profile: DeviceProfile | None = None,
        bundle: Bundle | None = None,
        start_seconds: float = 120.0,
    ) -> None:
        """Reach a phone; nothing is contacted yet.

        Args:
            serial: its serial number; None takes ANDROID_SERIAL or the only phone attached.
            profile: what the phone must be; None takes any phone.
            bundle: the C++ runner; None takes the built one for the phone's architecture.
            start_seconds: time for copying, starting and loading, beyond the protocol's own limit.
        """
        super().__init__(bundle, start_seconds)
        self._wanted = serial or os.environ.get("ANDROID_SERIAL") or None
        self._profile = profile
        self._chosen: str | None = None

    @property
    def device(self) -> str:
        """``phone SERIAL``."""
        return f"phone {self._serial()}"

    def getprop(self, name: str) -> str:
        """Return an Android system property of the phone, empty when it is not set."""
        return self._ask(getprop_words(name)).strip()

    def obstacle(self, target: str | None = None) -> str | None:
        """Return why the phone, or the target on it, cannot be used now, and the remedy."""
        try:
            self._check_profile()
        except DeviceError as error:
            return str(error)
        native = self._native_obstacle(target)
        in_demo = target is not None and Runner.ANDROID_DEMO in runners_of(target)
        return None if in_demo and native and self._has_demo() else native

    def state(self) -> DeviceState:
        """Return battery, heat and radio state as Android's tools print them."""
        return parse_state(self._ask(QUESTION))

    def _native_obstacle(self, target: str | None) -> str | None:
        """Return why no runner of ours can run the target on the phone; the demo is not asked."""
        if target is not None and shell_runner(target) is Runner.PYTHON:
            return (
                "Android has no Python for the ONNX Runtime runner, and the Android demo, which times ONNX artifacts, "
                f"is not installed on {self.device}; {DEMO_INSTALL_HINT}"
            )
        return super().obstacle(target)

    def _has_demo(self) -> bool:
        try:
            return self._ask(DEMO_IS_INSTALLED).startswith("package:")
        except DeviceError:
            return False

    def _prepared(
        self,
        artifact: Artifact,
        scratch: Path,
        pixels: NDArray[np.uint8],
        protocol: TimingProtocol | None,
        trace: bool = False,
    ) -> Job:
        self._check_profile()
        native = self._native_obstacle(artifact.info.target)
        if native is None:
            return super()._prepared(artifact, scratch, pixels, protocol, trace)
        if not self._has_demo():
            raise DeviceError(native)
        if trace:
            raise DeviceError(
                f"the Android demo on {self.device} gives no per-layer profile of {artifact.key}"
            )
        return make_demo_job(artifact, scratch, pixels, protocol)

    def _serial(self) -> str:
        """Return the phone's serial number; found once, so that a job never changes phones midway."""
        if self._chosen is None:
            self._chosen = _choose(attached_devices(), self._wanted)
        return self._chosen

    def _check_profile(self) -> None:
        """Raise DeviceError when the phone is not the profile's."""
        if self._profile is None:
            self._serial()
            return
        for key, accepted in self._profile.match.getprop.items():
            value = self.getprop(key)
            if value not in accepted:
                raise DeviceError(
                    f"{self.device} is not {self._profile.market_name}: its {key} is '{value}', profile "
                    f"'{self._profile.name}' wants {' or '.join(accepted)}; choose its own profile with --device"
                )

    def _shell_words(self, command: str) -> list[str]:
        return [adb_program(), "-s", self._serial(), "shell", command]

    def _push_words(self, files: list[Path]) -> list[str]:
        sources = [str(path.absolute()) for path in files]
        return [adb_program(), "-s", self._serial(), "push", *sources, f"{self.folder}/"]

    def _pull_words(self, name: str, goal: Path) -> list[str]:
        return [adb_program(), "-s", self._serial(), "pull", f"{self.folder}/{name}", str(goal.absolute())]


def _choose(attached: tuple[Attached, ...], wanted: str | None) -> str:
    if wanted is not None:
        found = [one for one in attached if one.serial == wanted]
        if not found:
            known = ", ".join(one.serial for one in attached) or "none"
            raise DeviceError(f"phone {wanted[:80]!r} is not attached; attached: {known}")
    else:
        found = list(attached)
        if not found:
            raise DeviceError("no phone is attached; plug one in with USB debugging on, or run adb connect")
        if len(found) > 1:
            known = ", ".join(one.serial for one in found)
            raise DeviceError(f"{len(found)} phones are attached ({known}); choose one by ANDROID_SERIAL")
    one = found[0]
    if one.state != "device":
        raise DeviceError(f"phone {one.serial} is {one.state}; {remedy(one.state)}")
    return one.serial


#: One command line for all; a tool that is absent prints nothing and leaves its section empty.
QUESTION = (
    "dumpsys battery 2>/dev/null; echo ---; dumpsys thermalservice 2>/dev/null; echo ---; "
    "settings get global airplane_mode_on 2>/dev/null; true"
)


def parse_state(answer: str) -> DeviceState:
    """Return the state in the answer to :data:`QUESTION`; what is not in it is None with the reason."""
    battery, thermal, airplane = [*answer.split("---\n"), "", ""][:3]
    values: dict[str, float | int | bool] = {}
    missing: dict[str, str] = {}

    def note(field: str, value: float | int | bool | None, reason: str) -> None:
        if value is None:
            missing[field] = reason
        else:
            values[field] = value

    fields = dict(re.findall(r"^\s*([A-Za-z ]+): (\S+)\s*$", battery, re.MULTILINE))
    absent = "dumpsys battery did not say"
    note("battery_percent", _number(fields.get("level")), absent)
    powered = [fields[key] == "true" for key in fields if key.endswith(" powered")]
    note("charging", any(powered) if powered else None, absent)
    tenths = _number(fields.get("temperature"))  # BatteryManager.EXTRA_TEMPERATURE: tenths of a degree
    note("temperature_celsius", None if tenths is None else tenths / 10, absent)
    status = re.search(r"Thermal Status: (\d)\b", thermal)
    note("thermal_status", int(status[1]) if status else None, "dumpsys thermalservice did not say")
    radio = {"0": False, "1": True}.get(airplane.strip())
    note("airplane_mode", radio, "settings get global airplane_mode_on did not say")
    return DeviceState.model_validate({**values, "missing": missing})


def _number(word: str | None) -> float | None:
    return float(word) if word is not None and re.fullmatch(r"-?\d+", word) else None
