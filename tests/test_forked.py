"""Work of a forked process: the same results in the same order, and none where it fails, ends or may not be."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fer_deploy import forked
from fer_deploy.files import folder_atomic
from fer_deploy.forked import Forked, Served, in_halves, one_thread_each, receive, send, two_processes
from fixtures.processes import children

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked"),
    pytest.mark.usefixtures("two_processes"),
]


def test_it_makes_what_this_process_would() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 32, 3), torch.nn.ReLU(), torch.nn.Conv2d(32, 32, 3))
    images = [torch.randn(32, 1, 48, 48) for _ in range(3)]
    with torch.inference_mode():
        network(images[0])  # this process has its pool of threads by now
        with Forked[int, tuple[int, torch.Tensor]]() as beside:
            beside.start([0, 1, 2], lambda at: (os.getpid(), network(images[at])))
            taken = [beside.take(at) for at in range(3)]
        for image, made in zip(images, taken, strict=True):
            assert made is not None
            assert made[0] != os.getpid()
            assert torch.equal(made[1], network(image))
    assert not children()


def test_what_fails_there_is_to_be_made_here() -> None:
    def make(key: str) -> str:
        if key == "bad":
            raise ValueError(key)
        return key.upper()

    with Forked[str, str]() as beside:
        beside.start(["good", "bad", "better"], make)
        assert [beside.take(key) for key in ("good", "bad", "better")] == ["GOOD", None, "BETTER"]
        assert beside.take("good") is None
        assert beside.take("never asked for") is None


def test_a_process_that_is_killed_leaves_the_rest_to_this_one() -> None:
    def make(key: int) -> int:
        if key == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return key

    with Forked[int, int]() as beside:
        beside.start([0, 1, 2], make)
        assert [beside.take(key) for key in range(3)] == [0, None, None]
    assert not children()


def test_a_process_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "_PATIENCE", 0.2)
    with Forked[int, None]() as beside:
        beside.start([0], lambda _: time.sleep(600))
        assert beside.take(0) is None
    assert not children()


def test_what_is_half_written_is_cleared_away_when_the_work_is_given_up(tmp_path: Path) -> None:
    def write(_: int) -> None:
        with folder_atomic(tmp_path / "goal") as folder:
            (folder / "part").write_text("half", encoding="utf-8")
            time.sleep(600)

    with Forked[int, None]() as beside:
        beside.start([0], write)
        while not list(tmp_path.rglob("part")):
            time.sleep(0.01)
    assert not list(tmp_path.iterdir())
    assert not children()


def test_it_tells_when_there_is_something_to_take() -> None:
    with Forked[int, int]() as beside:
        beside.start([0, 1], lambda key: key)
        while not beside.has(0):
            time.sleep(0.01)
        assert not beside.has(1)  # only the next
        assert beside.take(0) == 0
        assert beside.take(1) == 1
        assert not beside.has(1)


def test_one_processor_means_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert not two_processes()
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert not two_processes()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert two_processes()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not two_processes()
    with Forked[int, int]() as beside:
        beside.start([0], lambda key: key)
        assert not beside.has(0)
        assert beside.take(0) is None


@pytest.mark.parametrize("count", [4, 1000, 1055])
@pytest.mark.parametrize("dies", [False, True])
def test_halves_are_the_whole(count: int, dies: bool) -> None:
    parent = os.getpid()
    here: list[int] = []

    def run(some: NDArray[np.uint8], note: str | None) -> NDArray[np.float32]:
        assert len(some) <= 32 or len(some) % 32 in (0, count % 32)
        if os.getpid() != parent and dies:
            os.kill(os.getpid(), signal.SIGKILL)
        here.append(len(some))
        assert (note is None) is (os.getpid() != parent)
        return some.reshape(len(some), -1).astype(np.float32) * 2

    pixels = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    answers = in_halves(run, pixels, 32, "running")
    assert np.array_equal(answers, pixels.reshape(-1, 1).astype(np.float32) * 2)
    half = count // 32 // 2 * 32
    assert here == ([count] if count < 1000 else [half, *[count - half] * dies])


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread_each():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_served_process_answers_until_it_is_ended() -> None:
    def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
        while True:
            send(answers, (receive(questions), os.getpid(), os.environ["OMP_NUM_THREADS"]))

    served = Served(serve)
    for question in ("first", "second"):
        send(served.stdin, question)
        assert receive(served.stdout) == (question, served._process, "1"), "it forks no further"
    served.kill()
    assert served.wait() != 0
    with pytest.raises(EOFError):
        receive(served.stdout)
    for stream in (served.stdin, served.stdout):
        stream.close()
