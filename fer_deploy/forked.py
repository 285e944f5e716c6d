"""Work that a second process does beside this one.

Conversions are Python on one core, and threads that share a small network's layers wait for each other more than they
gain, for ever where another program wants a core. So a job uses the cores by processes of one thread each. They are
forked: they have this one's networks and images as they are, and do what it would have done.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import select
import signal
import struct
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import IO, Generic, NoReturn, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key")
Made = TypeVar("Made")

_LENGTH = struct.Struct("<Q")
#: Seconds without a word from the process, once it is waited for, after which its work is done here.
_PATIENCE = 300.0
#: Images from which on half of them are.
_WORTH_A_PROCESS = 1000
#: Seconds that it has to clear away what it had half written.
_GRACE = 10.0


def two_processes() -> bool:
    """Return whether a second process is of use, and safe.

    Not with one processor, nor where the user has said one (``OMP_NUM_THREADS=1``), nor elsewhere than on Linux: other
    systems' libraries do not bear a fork.
    """
    if sys.platform != "linux" or os.environ.get("OMP_NUM_THREADS") == "1":
        return False
    return len(os.sched_getaffinity(0)) > 1


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Let torch use one thread while the block runs, if there may be a second process; the same values come out."""
    import torch

    before = torch.get_num_threads()
    if two_processes():
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def send(stream: IO[bytes], value: object) -> None:
    """Write a value for :func:`receive` in the other process."""
    content = pickle.dumps(value)
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def receive(stream: IO[bytes], patience: float | None = None) -> object:
    """Return the next value that another process, which this one started or was started by, has sent.

    Args:
        stream: what it writes to; unbuffered, where there is a ``patience``.
        patience: seconds without a word that are waited for; None: for ever.

    Raises:
        EOFError: it has ended, or says nothing any more.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size, patience))
    return pickle.loads(_exactly(stream, length, patience))


def _exactly(stream: IO[bytes], size: int, patience: float | None) -> bytes:
    content = b""
    while len(content) < size:
        if patience is not None and not select.select([stream], [], [], patience)[0]:
            raise EOFError
        part = stream.read(size - len(content))
        if not part:
            raise EOFError
        content += part
    return content


class Forked(Generic[Key, Made]):
    """A forked process that makes things in order; a context manager.

    Where there is to be none (:func:`two_processes`), and where it ends early, :meth:`take` has nothing, and the thing
    is made where it is asked for.
    """

    def __init__(self) -> None:
        """Start nothing yet."""
        self._process: int | None = None
        self._pipe: IO[bytes] | None = None
        self._waiting: list[Key] = []

    def __enter__(self) -> Forked[Key, Made]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, keys: Sequence[Key], make: Callable[[Key], Made]) -> None:
        """Let a process make ``keys`` in their order, if there can be one; return at once."""
        if not keys or not two_processes():
            return
        source, goal = os.pipe()
        process = _fork()
        if process == 0:
            os.close(source)
            _leave_after(lambda: _make_all(keys, make, os.fdopen(goal, "wb")))
        os.close(goal)
        # Unbuffered, so that whether there is something to read is told by the pipe alone.
        self._process, self._pipe, self._waiting = process, os.fdopen(source, "rb", 0), list(keys)

    def take(self, key: Key) -> Made | None:
        """Return what the process made for a key, waiting for it; None where it is to be made here.

        Keys are taken in the order in which they were started.
        """
        if self._pipe is None or not self._waiting or self._waiting[0] != key:
            return None
        self._waiting.pop(0)
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            return cast("Made | None", receive(self._pipe, _PATIENCE))
        self.close()
        return None

    def has(self, key: Key) -> bool:
        """Return whether the process has made a key, or has ended, so that :meth:`take` need not wait."""
        if self._pipe is None or not self._waiting or self._waiting[0] != key:
            return False
        return bool(select.select([self._pipe], [], [], 0)[0])

    def close(self) -> None:
        """End the process; what it has half written it clears away."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            _ended(self._process)
        self._process, self._pipe, self._waiting = None, None, []


class Served:
    """A forked process that answers what it is sent.

    Attributes:
        stdin: takes the questions, for :func:`send`.
        stdout: gives the answers, for :func:`receive`.
    """

    def __init__(self, serve: Callable[[IO[bytes], IO[bytes]], None]) -> None:
        """Start it; it lives while ``serve``, which is given where questions come from and answers go, goes on.

        Only where there can be one (:func:`two_processes`).
        """
        (asked, ask), (answer, answered) = os.pipe(), os.pipe()
        self._process = _fork()
        if self._process == 0:
            os.close(ask)
            os.close(answer)
            _leave_after(lambda: serve(os.fdopen(asked, "rb"), os.fdopen(answered, "wb")))
        os.close(asked)
        os.close(answered)
        self.stdin, self.stdout = os.fdopen(ask, "wb"), os.fdopen(answer, "rb")

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it has ended, once, and return how."""
        return os.waitpid(self._process, 0)[1]


def in_halves(
    run: Callable[[NDArray[np.uint8], str | None], NDArray[np.float32]],
    pixels: NDArray[np.uint8],
    size: int,
    description: str,
) -> NDArray[np.float32]:
    """Return what ``run`` answers to images, one row each; a second process runs half of them where it is worth it.

    Args:
        run: answers to images, under a progress bar of that name if there is one.
        pixels: uint8 (N, C, H, W).
        size: of a batch; the halves are whole batches, so that each is the one that it would be in one process.
        description: the name of the bar.
    """
    middle = len(pixels) // size // 2 * size
    if len(pixels) < _WORTH_A_PROCESS or middle == 0 or not two_processes():
        return run(pixels, description)
    with one_thread_each(), Forked[str, NDArray[np.float32]]() as beside:
        beside.start(["rest"], lambda _: run(pixels[middle:], None))
        first = run(pixels[:middle], description)
        rest = beside.take("rest")
        return np.concatenate([first, run(pixels[middle:], description) if rest is None else rest])


def _ended(process: int) -> None:
    """End a child of this process and wait until it has."""
    import time

    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(process, signal.SIGTERM)
        until = time.monotonic() + _GRACE
        while time.monotonic() < until:
            if os.waitpid(process, os.WNOHANG)[0] == process:
                return
            time.sleep(0.02)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _make_all(keys: Sequence[Key], make: Callable[[Key], Made], goal: IO[bytes]) -> None:
    for key in keys:
        made: Made | None = None
        with contextlib.suppress(Exception):  # whatever it is, it is raised where the thing is made again
            made = make(key)
        send(goal, made)


def _fork() -> int:
    with warnings.catch_warnings():
        # Newer Pythons warn of any thread at a fork; what threads of this process hold, the child does not use.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _leave_after(work: Callable[[], None]) -> NoReturn:
    """Do the forked process's work and leave it, past whatever the parent would do on leaving."""

    def stop(*_: object) -> NoReturn:
        raise SystemExit

    try:
        signal.signal(signal.SIGTERM, stop)
        # What it has of its parent is not looked through, and so not copied.
        gc.freeze()
        # One processor is its: it forks no further.
        os.environ["OMP_NUM_THREADS"] = "1"
        import torch

        # The parent's pool of threads was not forked with it; whoever waits for it waits for ever.
        torch.set_num_threads(1)
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)
