"""The ssh transport: a Raspberry Pi and its like, by the plain ``ssh`` and ``scp`` clients."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from fer_deploy.devices.installing import adding
from fer_deploy.devices.profile_schema import DeviceProfile
from fer_deploy.devices.runners.build import Bundle
from fer_deploy.devices.timing import DeviceState
from fer_deploy.devices.transports.remote import RemoteTransport
from fer_deploy.errors import DeviceError

#: A host, user@host, or a Host alias of the user's ssh configuration; nothing that ssh could take for an option.
_ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
#: Never ask for a password, never wait long; everything else is the user's own ssh configuration.
_OPTIONS = ("-q", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10")


class SshTransport(RemoteTransport):
    """A Linux host with sshd and a POSIX shell, reached as the user's ssh configuration says."""

    name: ClassVar[str] = "ssh"
    #: In the login folder, which no other user can write to.
    folder: ClassVar[str] = ".fer-deploy-run"
    install_hint: ClassVar[str] = f"install it, e.g. {adding('ssh')}"

    def __init__(
        self,
        address: str,
        config: Path | None = None,
        bundle: Bundle | None = None,
        start_seconds: float = 120.0,
        profile: DeviceProfile | None = None,
    ) -> None:
        """Reach a host; nothing is contacted yet.

        Args:
            address: a host, user@host, or an alias of the ssh configuration.
            config: another file than ``~/.ssh/config``.
            bundle: the C++ runner; None takes the built one for the host's architecture.
            start_seconds: time for copying, starting and loading, beyond the protocol's own limit.
            profile: what the host must be; None takes any.

        Raises:
            DeviceError: ``address`` could be taken for an option or holds other characters.
        """
        super().__init__(bundle, start_seconds)
        if not _ADDRESS.fullmatch(address):
            raise DeviceError(
                f"'{address}' is no ssh address; give a host, user@host or an alias of ~/.ssh/config"
            )
        self._address = address
        self._profile = profile
        self._options = [*(("-F", str(config.absolute())) if config else ()), *_OPTIONS]

    @property
    def device(self) -> str:
        """``ssh host NAME``."""
        return f"ssh host {self._address}"

    def obstacle(self, target: str | None = None) -> str | None:
        """Return why the host, or the target on it, cannot be used now, and the remedy."""
        try:
            self._check_profile()
        except DeviceError as error:
            return str(error)
        return super().obstacle(target)

    def model(self) -> str | None:
        """Return what the board calls itself, None where Linux has no device tree.

        Raises:
            DeviceError: the host does not answer.
        """
        return self._ask("cat /proc/device-tree/model 2>/dev/null || true").strip("\0\n ") or None

    def _check_profile(self) -> None:
        """Raise DeviceError when the host is not the profile's."""
        accepted = self._profile.match.device_tree_model if self._profile else ()
        if not self._profile or not accepted:
            return
        said = self.model() or ""
        if not said.startswith(tuple(beginning.strip() for beginning in accepted)):
            raise DeviceError(
                f"{self.device} is not {self._profile.market_name}: it calls itself '{said or 'nothing'}'; "
                "choose its own profile with --device"
            )

    def _program(self, target: str) -> tuple[dict[str, Path], tuple[str, ...]]:
        self._check_profile()
        return super()._program(target)

    def state(self) -> DeviceState:
        """Return the processor's temperature where Linux shows one; the rest does not apply."""
        said = self._ask("cat /sys/class/thermal/thermal_zone*/temp 2>/dev/null || true").split()
        degrees = [
            int(word) / 1000 for word in said if word.lstrip("-").isdigit()
        ]  # millidegrees (sysfs-thermal)
        missing = dict.fromkeys(("battery_percent", "charging", "airplane_mode"), "not asked of an ssh host")
        missing["thermal_status"] = "only Android reports one"
        if not degrees:
            missing["temperature_celsius"] = "the system shows no thermal zone"
        return DeviceState(temperature_celsius=max(degrees) if degrees else None, missing=missing)

    def _shell_words(self, command: str) -> list[str]:
        return ["ssh", *self._options, "--", self._address, command]

    def _push_words(self, files: list[Path]) -> list[str]:
        # absolute paths: a colon or a leading dash in a relative one would mean a host or an option
        sources = [str(path.absolute()) for path in files]
        return ["scp", *self._options, "--", *sources, f"{self._address}:{self.folder}/"]

    def _pull_words(self, name: str, goal: Path) -> list[str]:
        return ["scp", *self._options, "--", f"{self._address}:{self.folder}/{name}", str(goal.absolute())]
