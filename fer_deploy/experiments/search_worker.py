"""Which process works on a trial of a search, and whether it still does."""

from __future__ import annotations

import hashlib
import platform
from typing import Any

#: Seconds by which the beginning of one process may seem to differ: it is counted from that of the machine, which
#: moves with the clock.
_SAME_BEGINNING = 60.0


def this_worker() -> dict[str, Any]:
    """Return which process of which machine this is; the machine by a digest, since a journal may be committed."""
    import psutil

    process = psutil.Process()
    return {"machine": _machine(), "process": process.pid, "began": process.create_time()}


def is_gone(worker: dict[str, Any]) -> bool:
    """Whether a process of this machine has ended, and another may have its number; of others that is not known."""
    import psutil

    if worker["machine"] != _machine():
        return False
    try:
        began = psutil.Process(worker["process"]).create_time()
    except psutil.Error:
        return True
    return bool(abs(began - worker["began"]) > _SAME_BEGINNING)


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]
