"""Artifacts timed in turns, over a transport that plays back what it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.devices.timing import Contention, DeviceState, TimingProtocol, TimingResult
from fer_deploy.devices.transports.base import Transport, joined, time_in_turns
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact, ArtifactInfo

PROTOCOL = TimingProtocol(min_runs=10, min_seconds=2, max_seconds=8)


class Recorded(Transport):
    """Notes the order of calls; fails for ``failing`` from its second call on, or always."""

    name: ClassVar[str] = "recorded"

    def __init__(self, failing: str | None = None, from_call: int = 1) -> None:
        self.calls: list[tuple[str, TimingProtocol]] = []
        self._failing, self._from = failing, from_call

    def obstacle(self, target: str | None = None) -> str | None:  # noqa: ARG002 - the base class's
        return None

    def time(self, artifact: Artifact, protocol: TimingProtocol) -> TimingResult:
        self.calls.append((artifact.key, protocol))
        mine = sum(key == artifact.key for key, _ in self.calls)
        if artifact.key == self._failing and mine >= self._from:
            raise DeviceError("unplugged")
        return TimingResult(
            runtime_version="1", threads=1, load_ms=mine, first_ms=1, samples_ms=(float(mine),),
            peak_memory_bytes=mine,
        )  # fmt: skip

    def logits(self, artifact: Artifact, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise NotImplementedError


@pytest.fixture
def pair(tmp_path: Path) -> list[Artifact]:
    """Two artifacts of which turns see nothing but the name."""
    return [
        Artifact(tmp_path, ArtifactInfo.model_construct(target="onnx", recipe=recipe))
        for recipe in ("float", "w8a8-ptq")
    ]


def test_every_second_round_runs_backwards_and_shares_the_protocol(pair: list[Artifact]) -> None:
    transport = Recorded()
    results = time_in_turns(transport, pair, PROTOCOL, rounds=4)
    one, two = (artifact.key for artifact in pair)
    assert [key for key, _ in transport.calls] == [one, two, two, one, one, two, two, one]
    assert all(asked.min_runs == 3 and asked.min_seconds == 0.5 for _, asked in transport.calls)
    for result in results:
        assert isinstance(result, TimingResult)
        assert result.rounds == 4
        assert result.samples_ms == (1, 2, 3, 4)
        assert result.load_ms == 2.5
        assert result.peak_memory_bytes == 4


def test_one_artifact_is_timed_in_one_go(pair: list[Artifact]) -> None:
    transport = Recorded()
    (result,) = time_in_turns(transport, pair[:1], PROTOCOL)
    assert isinstance(result, TimingResult)
    assert result.rounds == 1
    assert transport.calls == [(pair[0].key, PROTOCOL)]


def test_a_failure_keeps_earlier_results(pair: list[Artifact]) -> None:
    later = time_in_turns(Recorded(pair[1].key, from_call=3), pair, PROTOCOL, rounds=4)
    never = time_in_turns(Recorded(pair[1].key), pair, PROTOCOL, rounds=4)
    assert isinstance(later[0], TimingResult)
    assert later[0].rounds == 4
    assert isinstance(later[1], TimingResult)
    assert later[1].rounds == 2
    assert isinstance(never[0], TimingResult)
    assert str(never[1]) == "unplugged"


BASE: dict[str, Any] = {
    "runtime_version": "1",
    "threads": 1,
    "load_ms": 1.0,
    "first_ms": 1.0,
    "peak_memory_bytes": None,
}


def test_joining_keeps_the_first_state_and_the_last() -> None:
    states = [DeviceState(battery_percent=percent) for percent in (90, 89, 88, 87)]
    first = TimingResult(**BASE, samples_ms=(1,), before=states[0], after=states[1], golden_difference=0.1)
    second = TimingResult(**BASE, samples_ms=(2,), before=states[2], after=states[3], golden_difference=0.3)
    result = joined([first, second])
    assert (result.before, result.after) == (states[0], states[3])
    assert result.golden_difference == 0.3
    assert result.peak_memory_bytes is None


def test_joining_keeps_the_worst_contention() -> None:
    rounds = [
        TimingResult(
            **BASE,
            samples_ms=(1,),
            contention=Contention(
                processors=2,
                wait_share=wait,
                others_running=others,
                steal_share=None,
                missing={"steal_share": "it does not tell"},
            ),
        )
        for wait, others in ((0.01, 3.0), (0.2, 0.5))
    ]
    worst = joined(rounds).contention
    assert worst is not None
    assert (worst.wait_share, worst.others_running, worst.steal_share) == (0.2, 3.0, None)
    assert worst.missing == {"steal_share": "it does not tell"}
    silent = rounds[1].model_copy(update={"contention": None})
    assert joined([rounds[0], silent]).contention is None
