"""Timings that were taken already, on a phone that is not here: files that the iOS demo's benchmark wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.runners.ios_job import IosTiming, is_about, read_ios_timing, timing_of
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.devices.transports.base import Transport
from fer_deploy.errors import DeviceError
from fer_deploy.files import sha256_of
from fer_deploy.targets.artifact import Artifact


class TakenTransport(Transport):
    """Gives each artifact the result that is about it."""

    name: ClassVar[str] = "taken"
    live: ClassVar[bool] = False

    def __init__(self, files: Sequence[Path]) -> None:
        """Read the files.

        Raises:
            DeviceError: one is no result of the iOS demo, they come from different phones, or two are of one artifact.
        """
        self._results = tuple((path, read_ios_timing(path)) for path in files)
        phones = sorted({result.phone for _, result in self._results})
        if len(phones) > 1:
            raise DeviceError(
                f"the results come from different phones ({'; '.join(phones)}); give one phone's"
            )
        about = [result.artifact.sha256 for _, result in self._results if result.artifact is not None]
        if len(set(about)) < len(about):
            raise DeviceError("two of the results are of one artifact; give the one that counts")

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of each file by its path."""
        return {str(path): sha256_of(path) for path, _ in self._results}

    @property
    def identifier(self) -> str:
        """The phone's hw.machine, e.g. ``iPhone16,1``."""
        return self._results[0][1].device.model_identifier

    @property
    def system(self) -> str:
        """The phone's system, e.g. ``iOS 17.5.1``."""
        device = self._results[0][1].device
        return f"{device.os} {device.os_version}"

    def there(self) -> str | None:
        """Return whose results these are."""
        return (
            f"the phone of {', '.join(path.name for path, _ in self._results)} ({self._results[0][1].phone})"
        )

    def require_about(self, artifacts: Sequence[Artifact]) -> None:
        """Require every result to be of one of the artifacts.

        Raises:
            DeviceError: one is not; it names the artifact that it is about.
        """
        for path, result in self._results:
            if any(is_about(result, artifact) for artifact in artifacts):
                continue
            if result.artifact is None:
                raise DeviceError(f"{path} is of no artifact: {result.error or 'the demo names none'}")
            named = result.artifact
            same = [one for one in artifacts if one.key == named.key and one.info.model == named.model]
            why = (
                f"{same[0].file} has the sha256 {same[0].info.sha256[:12]}...: it was exported again, or with another "
                "contract"
                if same
                else "that is not among the artifacts given"
            )
            raise DeviceError(
                f"{path} is of {named.key} of {named.model} with the sha256 {named.sha256[:12]}...; {why}"
            )

    def obstacle(self, target: str | None = None) -> str | None:  # noqa: ARG002
        """Return None: what can be said is in the files already."""
        return None

    def obstacle_for(self, artifact: Artifact) -> str | None:
        """Return that no result is of this artifact, if none is."""
        return None if self._of(artifact) is not None else "no result that was given is of this artifact"

    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:  # noqa: ARG002
        """Return the timing that was taken; by which protocol, the file says.

        Raises:
            DeviceError: none is of this artifact, or the job failed on the phone.
        """
        found = self._of(artifact)
        if found is None:
            raise DeviceError(str(self.obstacle_for(artifact)))
        path, result = found
        return timing_of(result, artifact, path.name)

    def logits(self, artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Raise DeviceError: a phone that is not here answers nothing."""
        raise DeviceError(f"{artifact.key} cannot be asked about {len(pixels)} images: its phone is not here")

    def _of(self, artifact: Artifact) -> tuple[Path, IosTiming] | None:
        return next((one for one in self._results if is_about(one[1], artifact)), None)
