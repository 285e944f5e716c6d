"""What a transport is: the way to a device that runs an artifact there and brings the results back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.timing import PairTiming, TimingProtocol, TimingResult
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact


class Transport(ABC):
    """One way to one device."""

    name: ClassVar[str]

    @abstractmethod
    def obstacle(self, target: str | None = None) -> str | None:
        """Return why the device, or this target on it, cannot be used now, and the remedy; None when it can."""

    @abstractmethod
    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
        """Return the artifact's timing on the device, from a fresh process.

        Raises:
            DeviceError: the device is unreachable, busy, full, of another architecture, or answered nonsense.
        """

    def time_pair(self, first: Artifact, second: Artifact, protocol: TimingProtocol) -> PairTiming:
        """Return the timing of two artifacts on the device, one beside the other, from fresh processes.

        Here one after the other; a transport that can take turns within one process shows smaller differences.

        Raises:
            DeviceError: as :meth:`time`.
        """
        one, other = self.time(first, protocol), self.time(second, protocol)
        return PairTiming(first_ms=one.samples_ms, second_ms=other.samples_ms, in_turns=False)

    @abstractmethod
    def logits(self, artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return logits float32 (N, K) that the device computes from uint8 pixels (N, C, H, W).

        Raises:
            DeviceError: as :meth:`time`.
        """

    def trace(self, artifact: Artifact, protocol: TimingProtocol) -> bytes:  # noqa: ARG002
        """Return the profile that the runtime itself writes while the protocol runs: ETDump, or ONNX Runtime's JSON.

        Raises:
            DeviceError: this transport's runner cannot make one, or as :meth:`time`.
        """
        raise DeviceError(f"the {self.name} transport gives no per-layer profile of {artifact.key}")
