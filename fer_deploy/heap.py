"""Garbage collections that do not walk over everything that is imported.

Converters collect garbage on their own account (``coremltools.convert`` at its end), or make so many objects that
Python does. Each time every object of torch, ExecuTorch and coremltools is looked at, which takes half a second on a
slow core: a fifth of a conversion to Core ML.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def set_aside() -> Iterator[None]:
    """Keep all that is alive now out of the collector's sight while the block runs; what the block makes is collected.

    Garbage from before waits until afterwards. Within another such block, and where the program has frozen its own heap
    (``gc.freeze``), nothing is done: Python can release all frozen objects only.
    """
    if gc.get_freeze_count() > 0:
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def end_without_collecting() -> None:
    """Let this program end without a last collection, which frees what the system takes back anyway.

    Python makes several when it ends. Where torch and converters are imported they take two seconds.
    """
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
