"""The devicectl transport: an iPhone on a Mac with Xcode, by the iOS demo's benchmark.

``xcrun devicectl`` (Xcode 15 and later) lists phones, copies files into and out of the demo's container and starts it.
Written from Apple's command-line help and the JSON it is known to print; **no Mac has run it.**
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.profile_schema import DeviceProfile
from fer_deploy.devices.runners.ios_job import (
    TIMING_FILE,
    IosTiming,
    is_about,
    read_ios_logits,
    read_ios_timing,
    timing_of,
)
from fer_deploy.devices.runners.job import LOGITS, runners_of, write_inputs
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.devices.transports.base import Transport
from fer_deploy.devices.transports.remote_shell import last_line
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Runner

#: Names the xcrun program; default ``xcrun`` of PATH.
PROGRAM_VARIABLE = "FER_DEPLOY_XCRUN"
#: The demo's bundle identifier, where it was built under another.
BUNDLE_VARIABLE = "FER_DEPLOY_IOS_BUNDLE"
#: A built FerDemo.app, which is installed where the demo is not.
APP_VARIABLE = "FER_DEPLOY_IOS_APP"
_BUNDLE = "org.ferdeploy.demo"
_JOB = "fer-deploy-run"
_SHORT_SECONDS = 60.0
_START_SECONDS = 180.0  # copying, starting, compiling the package on the phone
_NOT_A_MAC = (
    "an iPhone is reached from a Mac with Xcode; elsewhere, run the iOS demo's benchmark on it and give what it wrote "
    "with --result timing.json (ios_demo/README.md)"
)


@dataclass(frozen=True)
class ConnectedIphone:
    """One phone of ``devicectl list devices``: what --device takes, hw.machine, and whether it is connected."""

    identifier: str
    machine: str
    connected: bool


def connected_iphones() -> tuple[ConnectedIphone, ...]:
    """Return the iPhones that this Mac knows and that are connected now.

    Raises:
        DeviceError: this is no Mac, or Xcode's devicectl is missing or fails.
    """
    if platform.system() != "Darwin":
        raise DeviceError(_NOT_A_MAC)
    listed = _json("list", "devices")
    return tuple(one for one in parse_devices(listed) if one.connected)


def parse_devices(document: Any) -> tuple[ConnectedIphone, ...]:
    """Return the iPhones in the JSON of ``devicectl list devices``; entries of another form are passed over."""
    found = []
    result = document.get("result") if isinstance(document, dict) else None
    devices = result.get("devices") if isinstance(result, dict) else None
    for one in devices if isinstance(devices, list) else ():
        try:
            hardware, connection = one["hardwareProperties"], one["connectionProperties"]
            machine, identifier = hardware["productType"], one["identifier"]
            # a phone that was paired once stays listed, with its tunnel "unavailable"
            connected = connection.get("tunnelState") in ("connected", "connecting", "disconnected")
        except (KeyError, TypeError, AttributeError):
            continue
        if isinstance(machine, str) and isinstance(identifier, str) and machine.startswith("iPhone"):
            found.append(ConnectedIphone(identifier, machine, connected))
    return tuple(found)


class DevicectlTransport(Transport):
    """One iPhone, chosen by identifier, or because it is the only one connected."""

    name: ClassVar[str] = "devicectl"

    def __init__(self, identifier: str | None = None, profile: DeviceProfile | None = None) -> None:
        """Reach a phone; nothing is contacted yet.

        Args:
            identifier: as devicectl lists it; None takes the only phone connected.
            profile: what the phone must be; None takes any.
        """
        self._wanted = identifier
        self._profile = profile
        self._bundle = os.environ.get(BUNDLE_VARIABLE) or _BUNDLE

    def there(self) -> str | None:
        """Return the iPhones that are connected, in words."""
        try:
            found = connected_iphones()
        except DeviceError:
            return None
        return "iPhone " + ", ".join(one.identifier for one in found) if found else None

    def obstacle(self, target: str | None = None) -> str | None:
        """Return why the phone, or the target on it, cannot be used now, and the remedy."""
        if target is not None and Runner.IOS_DEMO not in runners_of(target):
            return f"the iOS demo does not run {target}"
        try:
            phone = self._phone()
            if target is not None:
                self._require_demo(phone)
        except DeviceError as error:
            return str(error)
        return None

    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
        """Return the artifact's timing on the phone.

        Raises:
            DeviceError: unreachable, the demo is missing or fails, cores were asked for, or another job's result came.
        """
        if protocol.cores is not None:
            raise DeviceError("an iPhone's app cannot be pinned to cores; leave cores out")
        with tempfile.TemporaryDirectory() as scratch:
            asked = protocol.model_dump_json(exclude={"threads", "cores"})
            result = self._run(artifact, Path(scratch), None, asked, protocol.max_seconds)
            return timing_of(result, artifact, f"devicectl, {result.date}")

    def logits(self, artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) that the phone computes from uint8 pixels (N, C, H, W).

        Raises:
            DeviceError: as :meth:`time`.
        """
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            result = self._run(artifact, folder, pixels, "", 0)
            if result.error is not None:
                raise DeviceError(f"the iOS demo on {result.phone} failed: {result.error[:300]}")
            return read_ios_logits(result, folder / LOGITS, len(pixels), artifact.info.output.shape[-1])

    def _run(
        self,
        artifact: Artifact,
        scratch: Path,
        pixels: NDArray[np.uint8] | None,
        protocol: str,
        seconds: float,
    ) -> IosTiming:
        """Have the demo run one job and return its result; its logits, if any, lie in ``scratch``."""
        phone = self._phone()
        self._require_demo(phone)
        job = scratch / _JOB
        shutil.copytree(artifact.folder, job)
        if pixels is not None:
            write_inputs(artifact, job, pixels)
        there = ("--domain-type", "appDataContainer", "--domain-identifier", self._bundle)
        _call("device", "copy", "to", "--device", phone.identifier, *there, "--source", str(job),
              "--destination", f"Documents/{_JOB}", seconds=_START_SECONDS)  # fmt: skip
        run = uuid.uuid4().hex
        words = ("-benchmark", _JOB, "-run", run, "-protocol", protocol)
        _call("device", "process", "launch", "--console", "--terminate-existing", "--device", phone.identifier,
              self._bundle, *words, seconds=_START_SECONDS + seconds)  # fmt: skip
        for name in (TIMING_FILE, *((LOGITS,) if pixels is not None else ())):
            _call("device", "copy", "from", "--device", phone.identifier, *there, "--source", f"Documents/{name}",
                  "--destination", str(scratch / name), seconds=_START_SECONDS)  # fmt: skip
        result = read_ios_timing(scratch / TIMING_FILE)
        if result.run_id != run:
            raise DeviceError(f"iPhone {phone.identifier} returned the result of another run; run again")
        if result.error is None and not is_about(result, artifact):
            raise DeviceError(f"iPhone {phone.identifier} returned the result of another artifact; run again")
        return result

    def _phone(self) -> ConnectedIphone:
        found = connected_iphones()
        if self._wanted is not None:
            found = tuple(one for one in found if one.identifier == self._wanted)
        if not found:
            raise DeviceError(
                "no iPhone is connected; plug it in, unlock it, trust this Mac and turn on Developer Mode"
            )
        if len(found) > 1:
            known = ", ".join(one.identifier for one in found)
            raise DeviceError(f"{len(found)} iPhones are connected ({known}); choose one by --address")
        (phone,) = found
        if self._profile is not None:
            accepted = self._profile.match.apple_model
            if accepted and phone.machine not in accepted:
                raise DeviceError(
                    f"iPhone {phone.identifier} is {phone.machine}, profile '{self._profile.name}' wants "
                    f"{' or '.join(accepted)}; --device iphone takes the phone that is connected"
                )
        return phone

    def _require_demo(self, phone: ConnectedIphone) -> None:
        """Install the demo where it is not and a built one is named.

        Raises:
            DeviceError: it is not installed, and none is named.
        """
        listed = _json("device", "info", "apps", "--device", phone.identifier, "--bundle-id", self._bundle)
        if self._bundle in json.dumps(listed.get("result") if isinstance(listed, dict) else None):
            return
        app = os.environ.get(APP_VARIABLE)
        if not app or not Path(app).is_dir():
            raise DeviceError(
                f"the iOS demo ({self._bundle}) is not installed on iPhone {phone.identifier}; run it once from Xcode "
                f"(ios_demo/README.md), or name a built FerDemo.app in {APP_VARIABLE}"
            )
        _call("device", "install", "app", "--device", phone.identifier, app, seconds=_START_SECONDS)


def _json(*words: str) -> Any:
    """Return the JSON that a devicectl command writes.

    Raises:
        DeviceError: it fails, or writes none.
    """
    with tempfile.TemporaryDirectory() as scratch:
        goal = Path(scratch) / "said.json"
        _call(*words, "--json-output", str(goal), seconds=_SHORT_SECONDS)
        try:
            return json.loads(goal.read_bytes())
        except (OSError, ValueError):
            raise DeviceError(f"'devicectl {' '.join(words[:2])}' wrote no JSON; update Xcode") from None


def _call(*words: str, seconds: float) -> None:
    program = os.environ.get(PROGRAM_VARIABLE) or "xcrun"
    what = f"'devicectl {' '.join(words[:3])}'"
    try:
        done = subprocess.run(
            [program, "devicectl", *words], capture_output=True, text=True, errors="replace", timeout=seconds,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        raise DeviceError(f"'{program}' is not installed; install Xcode 15 or later") from None
    except subprocess.TimeoutExpired:
        raise DeviceError(f"{what} took over {seconds:.0f} s and was stopped") from None
    if done.returncode != 0:
        raise DeviceError(f"{what} failed: {last_line(done)[:300]}")
