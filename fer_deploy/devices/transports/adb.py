"""The adb transport: an Android phone, by the plain ``adb`` client.

The Android demo, where it is installed, runs what its build has a runtime for: its figure is what an app will see.
The C++ runner runs ExecuTorch artifacts otherwise; it brings its own C library, and its figures say so.

The client is the user's own (Android's platform-tools or the distribution's), not one bundled by a Python
package: an adb server of another version would be killed and restarted by every call of the other client.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.installing import adding
from fer_deploy.devices.profile_schema import DeviceProfile
from fer_deploy.devices.runners.build import Bundle
from fer_deploy.devices.runners.job import (
    DEMO_HAS_NO_RUNTIME,
    DEMO_INSTALL_HINT,
    DEMO_IS_INSTALLED,
    Job,
    clean_up_demo,
    make_demo_job,
    runners_of,
    shell_runner,
)
from fer_deploy.devices.timing import DeviceState, TimingProtocol, TimingResult
from fer_deploy.devices.transports.android_state import QUESTION, parse_state
from fer_deploy.devices.transports.remote import RemoteTransport
from fer_deploy.errors import DeviceError
from fer_deploy.progress import say
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Runner

#: Names the adb program; default ``adb`` of PATH.
PROGRAM_VARIABLE = "FER_DEPLOY_ADB"
#: What the figures of a runner say that brings glibc to Android: an app has Android's own C library and threads.
_OWN_C_LIBRARY = "a glibc build, not an app's"
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

    @property
    def is_phantom(self) -> bool:
        """Whether nothing is there: adb lists an emulator that has ended, or another program's port, as offline."""
        return self.serial.startswith("emulator-") and self.state.startswith("offline")


def adb_program() -> str:
    """Return the adb client to use."""
    return os.environ.get(PROGRAM_VARIABLE) or "adb"


def parse_devices(text: str) -> tuple[Attached, ...]:
    """Return the devices that ``adb devices`` lists."""
    rows = (line.strip().partition("\t") for line in text.splitlines())
    # a serial number may hold spaces: a phone found over Wi-Fi is "adb-2A1 (2)._adb-tls-connect._tcp"
    return tuple(Attached(serial.strip(), state.strip()) for serial, _, state in rows if serial and state)


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
    install_hint: ClassVar[str] = f"install Android's platform-tools, e.g. {adding('adb')}"

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
        # targets for which the installed build of the demo has no runtime
        self._not_in_demo: set[str] = set()

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
        return None if native and target is not None and self._in_demo(target) else native

    def there(self) -> str | None:
        """Return the phones that are attached now, in words, whether or not they are the one that is meant."""
        try:
            found = [one.serial for one in attached_devices() if not one.is_phantom]
        except DeviceError:
            return None
        if self._wanted in found:
            found = [str(self._wanted)]
        return f"phone{'s' if len(found) > 1 else ''} {', '.join(found)}" if found else None

    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
        """Return the artifact's timing on the phone, with its state before and after.

        By the demo where it is installed and can: it is built as an app is. The C++ runner's figure says what it is.

        Raises:
            DeviceError: unreachable, busy, full, of another architecture, too slow, or nonsense came back.
        """
        target = artifact.info.target
        try:
            return super().time(artifact, protocol)
        except DeviceError as error:
            if DEMO_HAS_NO_RUNTIME not in str(error) or self._native_obstacle(target) is not None:
                raise
        self._not_in_demo.add(target)
        say(f"the Android demo on {self.device} was built without {target}: timed by the C++ runner")
        return super().time(artifact, protocol)

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
        if target is not None and shell_runner(target) is None and Runner.ANDROID_DEMO in runners_of(target):
            return (
                f"{target} artifacts are run by the Android demo alone, which is not installed on {self.device}; "
                "build android_demo with Gradle and install it: build-apk.sh leaves their runtime out"
            )
        return super().obstacle(target)

    def _in_demo(self, target: str) -> bool:
        """Whether the demo is installed and may run the target."""
        if target in self._not_in_demo or Runner.ANDROID_DEMO not in runners_of(target):
            return False
        try:
            return self._ask(DEMO_IS_INSTALLED).startswith("package:")
        except DeviceError:
            return False

    def _by_demo(self, target: str, protocol: TimingProtocol | None, trace: bool = False) -> bool:
        """Whether a job goes by the demo: always where nothing else can run it, else for an app's own timing."""
        if self._native_obstacle(target) is not None:
            return True
        return protocol is not None and protocol.cores is None and not trace and self._in_demo(target)

    def _prepared(
        self,
        artifact: Artifact,
        scratch: Path,
        pixels: NDArray[np.uint8],
        protocol: TimingProtocol | None,
        trace: bool = False,
    ) -> Job:
        self._check_profile()
        if not self._by_demo(artifact.info.target, protocol, trace):
            return replace(
                super()._prepared(artifact, scratch, pixels, protocol, trace), build=_OWN_C_LIBRARY
            )
        if not self._in_demo(artifact.info.target):
            raise DeviceError(str(self._native_obstacle(artifact.info.target)))
        if trace:
            raise DeviceError(
                f"the Android demo on {self.device} gives no per-layer profile of {artifact.key}"
            )
        return make_demo_job(artifact, scratch, pixels, protocol)

    def _serial(self) -> str:
        """Return the phone's serial number; found once, so that a job never changes phones midway."""
        if self._chosen is None:
            self._chosen = choose(attached_devices(), self._wanted)
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


def choose(attached: tuple[Attached, ...], wanted: str | None) -> str:
    """Return the serial number of the phone that is meant, or of the only one.

    Raises:
        DeviceError: it is not attached, several are and none is named, or it cannot be used now.
    """
    if wanted is not None:
        found = [one for one in attached if one.serial == wanted]
        if not found:
            known = ", ".join(one.serial for one in attached) or "none"
            raise DeviceError(f"phone {wanted[:80]!r} is not attached; attached: {known}")
    else:
        found = [one for one in attached if not one.is_phantom]
        if not found:
            raise DeviceError("no phone is attached; plug one in with USB debugging on, or run adb connect")
        if len(found) > 1:
            known = ", ".join(f"{one.serial}: {one.state}" for one in found)
            raise DeviceError(
                f"{len(found)} phones are attached ({known}); choose one by --address or ANDROID_SERIAL"
            )
    one = found[0]
    if one.state != "device":
        raise DeviceError(f"phone {one.serial} is {one.state}; {remedy(one.state)}")
    return one.serial
