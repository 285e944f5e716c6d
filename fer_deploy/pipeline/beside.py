"""Answers of artifacts, asked for in a second process while this one lowers the next artifact.

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
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from fer_deploy.errors import TargetError
from fer_deploy.forked import receive, send
from fer_deploy.frozen import Unknown
from fer_deploy.measure.subject import Inference, infer
from fer_deploy.targets.artifact import Artifact, open_artifact
from fer_deploy.targets.registry import get_target, outside_address

#: Test images from which on a second process, which takes some seconds to start, is worth it.
_WORTH_IT = 1000


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


class Beside:
    """A second process that answers what it was asked, in order; a context manager.

    It is started with the first question, and not at all where it would not help: with one processor, with few images,
    and for targets from outside the package, which it does not know. Then, and where it ends early, the answer is
    computed here, when it is asked for.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Start nothing yet; ``pixels`` are the test images, uint8 (N, C, H, W)."""
        self._pixels = pixels
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        # Held while a process is started: none starts once this one has looked for the one to end.
        self._starting = threading.Lock()
        # One thread talks to the process, so that neither waits for a full pipe.
        self._talker = ThreadPoolExecutor(max_workers=1)
        self._asked: dict[str, Future[Inference | Unknown]] = {}

    def __enter__(self) -> Beside:
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

    def answers(self, artifact: Artifact) -> Inference | Unknown:
        """Return an artifact's answers; raises as :func:`host_answers`.

        Where the process was asked and has begun, they are waited for; what it has not come to is computed here.
        """
        future = self._asked.pop(artifact.key, None)
        if future is not None and not future.cancel():
            # It ended: what is wrong with an artifact is said where it is opened here.
            with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
                return future.result()
        return host_answers(artifact, self._pixels)

    def _told(self, folder: Path) -> Inference | Unknown:
        new = self._process is None
        process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        if new:
            send(process.stdin, self._pixels)
        send(process.stdin, str(folder))
        answers = receive(process.stdout)
        assert isinstance(answers, (Inference, Unknown))
        return answers

    def _started(self) -> subprocess.Popen[bytes]:
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


def _serve() -> None:
    """Answer what comes on stdin until it is closed; stdout holds the answers and nothing else."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions = sys.stdin.buffer
    try:
        pixels = receive(questions)
        assert isinstance(pixels, np.ndarray)
        while True:
            folder = receive(questions)
            send(answers, host_answers(open_artifact(Path(str(folder))), pixels))
    except EOFError:
        return


if __name__ == "__main__":
    _serve()
