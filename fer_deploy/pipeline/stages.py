"""Where the time of a run goes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Stages:
    """Seconds of wall time by stage, in the order in which stages first began."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the stage called ``name``."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())
