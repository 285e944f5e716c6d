"""Units of figures. They stand apart so that a command line can name one without importing pydantic."""

from __future__ import annotations

from enum import StrEnum


class Unit(StrEnum):
    """Units that reports use. ``fraction`` is 0..1; ``points`` are percentage points."""

    FRACTION = "fraction"
    POINTS = "points"
    MILLISECONDS = "ms"
    BYTES = "bytes"
    COUNT = "count"
    DECIBEL = "dB"
    LOGITS = "logits"
    NATS = "nats"
