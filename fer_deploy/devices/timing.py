"""The timing protocol and what a runner returns: the same on every transport."""

from __future__ import annotations

from pydantic import Field

from fer_deploy.contract import Frozen


class TimingProtocol(Frozen):
    """Single stream, batch 1: one inference after the other (as MLPerf Mobile's single-stream scenario)."""

    warmups: int = Field(default=20, ge=0, description="inferences before the first sample")
    min_runs: int = Field(default=300, ge=1)
    min_seconds: float = Field(default=1.0, ge=0, description="total time of the samples, at least")
    max_seconds: float = Field(default=20.0, gt=0, description="stop even if min_runs is not reached")
    threads: int = Field(default=1, ge=1)


class TimingResult(Frozen):
    """Raw output of a runner. Times in milliseconds, memory in bytes."""

    runtime_version: str
    threads: int
    load_ms: float
    first_ms: float
    samples_ms: tuple[float, ...]
    peak_memory_bytes: int | None
    peak_memory_reason: str | None = None
