"""What a transport is: the way to a device that runs an artifact there and brings the results back.

Several artifacts are timed over one in turns, so that heat, clocks and other loads meet all of them alike.
"""

from __future__ import annotations

import math
import statistics
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.timing import Contention, PairTiming, TimingProtocol, TimingResult
from fer_deploy.errors import DeviceError
from fer_deploy.progress import track
from fer_deploy.targets.artifact import Artifact


class Transport(ABC):
    """One way to one device."""

    name: ClassVar[str]
    #: False: what is asked for was taken earlier, once.
    live: ClassVar[bool] = True

    @abstractmethod
    def obstacle(self, target: str | None = None) -> str | None:
        """Return why the device, or this target on it, cannot be used now, and the remedy; None when it can."""

    def obstacle_for(self, artifact: Artifact) -> str | None:
        """Return why this artifact cannot be timed on the device now, and the remedy; None when it can."""
        return self.obstacle(artifact.info.target)

    def there(self) -> str | None:
        """Return what is attached as the device or could be, in words; None: nothing is, or it is this machine."""
        return None

    @abstractmethod
    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
        """Return the artifact's timing on the device, from a fresh process.

        Raises:
            DeviceError: the device is unreachable, busy, full, of another architecture, or answered nonsense.
        """

    def times(
        self, artifacts: Sequence[Artifact], protocol: TimingProtocol
    ) -> Iterator[TimingResult | DeviceError]:
        """Yield each artifact's :meth:`time`, in their order and one after the other, or why there is none."""
        for artifact in artifacts:
            try:
                yield self.time(artifact, protocol)
            except DeviceError as error:
                yield error

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


#: Rounds when more than one artifact is compared: forwards and backwards, which cancels a linear drift.
ROUNDS = 2


def time_in_turns(
    transport: Transport, artifacts: Sequence[Artifact], protocol: TimingProtocol, rounds: int = ROUNDS
) -> list[TimingResult | DeviceError]:
    """Return one result per artifact, in their order, or why the device gave none.

    One artifact is timed in one go. Several share the protocol's runs and seconds over ``rounds`` fresh
    processes each, every second round backwards. An artifact that fails in a later round keeps the rounds it
    has; the verdict on them is the caller's.
    """
    if len(artifacts) == 1 or not transport.live:
        rounds = 1
    share = protocol.model_copy(
        update={
            "min_runs": math.ceil(protocol.min_runs / rounds),
            "min_seconds": protocol.min_seconds / rounds,
            "max_seconds": protocol.max_seconds / rounds,
        }
    )
    taken: list[list[TimingResult]] = [[] for _ in artifacts]
    failed: dict[int, DeviceError] = {}

    def turns() -> Iterator[tuple[int, TimingResult | DeviceError]]:
        order = list(range(len(artifacts)))
        for _ in range(rounds):
            order = [index for index in order if index not in failed]
            yield from zip(order, transport.times([artifacts[index] for index in order], share), strict=True)
            order.reverse()

    for index, result in track(turns(), f"timing over {transport.name}", rounds * len(artifacts)):
        if isinstance(result, DeviceError):
            failed[index] = result
        else:
            taken[index].append(result)
    return [joined(results) if results else failed[index] for index, results in enumerate(taken)]


def joined(results: Sequence[TimingResult]) -> TimingResult:
    """Return several timings of one artifact as one: all samples in order, medians of load and cold start.

    Memory is the largest peak, the golden difference the largest, contention that of the worst round, the state before
    the first and after the last.
    """
    first, last = results[0], results[-1]
    peaks = [result.peak_memory_bytes for result in results if result.peak_memory_bytes is not None]
    differences = [result.golden_difference for result in results if result.golden_difference is not None]
    return first.model_copy(
        update={
            "load_ms": statistics.median(result.load_ms for result in results),
            "first_ms": statistics.median(result.first_ms for result in results),
            "samples_ms": tuple(sample for result in results for sample in result.samples_ms),
            "peak_memory_bytes": max(peaks) if peaks else None,
            "golden_difference": max(differences) if differences else None,
            "contention": _worst([result.contention for result in results]),
            "rounds": sum(result.rounds for result in results),
            "after": last.after,
        }
    )


def _worst(rounds: Sequence[Contention | None]) -> Contention | None:
    """Return for each figure of contention its largest, None where a round does not know it."""
    known = [contention for contention in rounds if contention is not None]
    if len(known) < len(rounds):
        return None

    def largest(values: Iterable[float | None]) -> float | None:
        told = list(values)
        return None if None in told else max(value for value in told if value is not None)

    return Contention(
        processors=known[0].processors,
        wait_share=largest(contention.wait_share for contention in known),
        others_running=largest(contention.others_running for contention in known),
        steal_share=largest(contention.steal_share for contention in known),
        missing={name: why for contention in known for name, why in contention.missing.items()},
    )
