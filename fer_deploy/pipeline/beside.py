"""What a second process does while this one builds graphs and lowers them: the evaluations.

ExecuTorch's and Core ML's conversions are Python on one core; the evaluations fill another. What the second process
answers is what this one would: the same artifact, the same pixels, the same code, one thread.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import TargetError
from fer_deploy.forked import Served, receive, send, two_processes
from fer_deploy.frozen import Unknown
from fer_deploy.measure.subject import Inference, infer
from fer_deploy.targets.artifact import Artifact, open_artifact
from fer_deploy.targets.registry import get_target, outside_address

#: Test images from which on a second process, which takes some seconds to start, is worth it.
_WORTH_IT = 1000

Work = Callable[[], object]


def host_answers(artifact: Artifact, pixels: NDArray[np.uint8]) -> Inference | Unknown:
    """Return an artifact's answers to uint8 pixels (N, C, H, W), or why this machine cannot give them.

    Raises:
        ArtifactError: the model file is damaged.
    """
    obstacle = get_target(artifact.info.target).host_obstacle()
    if obstacle is not None:
        return Unknown(reason=obstacle)
    try:
        return infer(artifact, pixels)
    except TargetError as error:  # an emulation that lacks an operation
        return Unknown(reason=str(error))


class _Process(Protocol):
    """A second process, forked or started anew."""

    @property
    def stdin(self) -> IO[bytes] | None: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


class Beside:
    """A second process that does what it was asked, in order; a context manager.

    It is forked when the block begins, and has this process's networks and images as they are. Where it cannot be
    forked it is started with the first artifact, and does no other work. There is none where it would not help: with
    one processor, and with few images; nor for targets from outside the package, which a process that was started does
    not know. What it does not do, or has not come to, or does not finish, is done here, when it is asked for.
    """

    def __init__(self, pixels: NDArray[np.uint8], works: Mapping[str, Work] | None = None) -> None:
        """Start nothing yet.

        Args:
            pixels: the test images, uint8 (N, C, H, W).
            works: what it can be asked to do besides, by name.
        """
        self._pixels, self._works = pixels, dict(works or {})
        self._process: _Process | None = None
        self._closed = False
        # Held while a process is started: none starts once this one has looked for the one to end.
        self._starting = threading.Lock()
        # One thread talks to the process, so that neither waits for a full pipe.
        self._talker = ThreadPoolExecutor(max_workers=1)
        self._asked: dict[str, Future[object]] = {}

    def __enter__(self) -> Beside:
        if len(self._pixels) >= _WORTH_IT and two_processes():
            self._process = Served(partial(_answer_all, pixels=self._pixels, works=self._works))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; what it was asked and has not answered is dropped."""
        with self._starting:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self._talker.shutdown(cancel_futures=True)
        if self._process is not None:
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):  # what was on its way to a process that has ended
                    assert stream is not None
                    stream.close()
            self._process = None
        self._asked.clear()

    def ask(self, artifact: Artifact) -> None:
        """Let the process answer for an artifact, if there is one; return at once."""
        if len(self._pixels) < _WORTH_IT or (os.cpu_count() or 1) < 2:
            return
        if outside_address(artifact.info.target) is not None:
            return
        self._asked[artifact.key] = self._talker.submit(self._told, artifact.folder.resolve())

    def ask_work(self, name: str) -> None:
        """Let the process do the work of this name, if there is a forked one; return at once."""
        if isinstance(self._process, Served):
            self._asked[name] = self._talker.submit(self._told, name)

    def answers(self, artifact: Artifact) -> Inference | Unknown:
        """Return an artifact's answers, waited for where the process has begun; raises as :func:`host_answers`."""
        found = self._taken(artifact.key) or host_answers(artifact, self._pixels)
        assert isinstance(found, (Inference, Unknown))
        return found

    def done(self, name: str) -> object:
        """Return what the work of this name returned, waiting for it where the process has begun; raises as it does."""
        found = self._taken(name)
        return found[0] if isinstance(found, tuple) else self._works[name]()

    def _taken(self, key: str) -> object | None:
        """Return what the process sent, or None: it is to be done here."""
        future = self._asked.pop(key, None)
        if future is not None and not future.cancel():
            # It ended: what is wrong with an artifact is said where it is opened here.
            with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
                return future.result()
        return None

    def _told(self, question: Path | str) -> object:
        new = self._process is None
        process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        if new:
            send(process.stdin, self._pixels)
        send(process.stdin, question)
        return receive(process.stdout)

    def _started(self) -> _Process:
        """Start the process and return it.

        Raises:
            EOFError: this object has been closed.
        """
        with self._starting:
            if self._closed:
                raise EOFError
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # one processor is its; the pools of two processes on all of them wait for each other
                env=os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
            )
            return self._process


def _answer_all(
    questions: IO[bytes], answers: IO[bytes], pixels: NDArray[np.uint8], works: Mapping[str, Work]
) -> None:
    """Answer artifacts' folders with their answers, and names with what the work returns, as the only item."""
    with contextlib.suppress(EOFError):
        while True:
            question = receive(questions)
            if isinstance(question, Path):
                send(answers, host_answers(open_artifact(question), pixels))
            else:
                send(answers, (works[str(question)](),))


def _serve() -> None:
    """Answer what comes on stdin until it is closed; stdout holds the answers and nothing else."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(EOFError):
        pixels = receive(sys.stdin.buffer)
        assert isinstance(pixels, np.ndarray)
        _answer_all(sys.stdin.buffer, answers, pixels, {})


if __name__ == "__main__":
    _serve()
