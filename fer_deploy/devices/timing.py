"""The timing protocol and what a runner returns: the same on every transport."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field, field_validator

from fer_deploy.frozen import Frozen


class TimingProtocol(Frozen):
    """Single stream, batch 1: one inference after the other (as MLPerf Mobile's single-stream scenario)."""

    warmups: int = Field(default=20, ge=0, description="inferences before the first sample")
    min_runs: int = Field(default=300, ge=1)
    min_seconds: float = Field(default=1.0, ge=0, description="total time of the samples, at least")
    max_seconds: float = Field(default=20.0, gt=0, description="stop even if min_runs is not reached")
    threads: int = Field(default=1, ge=1)
    cores: tuple[int, ...] | None = Field(
        default=None,
        min_length=1,
        description="the only cores the runner may use; None leaves it to the system",
    )

    @field_validator("cores")
    @classmethod
    def _cores_exist(cls, cores: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if cores is not None and (min(cores) < 0 or len(set(cores)) != len(cores)):
            raise ValueError(f"cores are different numbers from 0, got {list(cores)}")
        return cores


class DeviceState(Frozen):
    """What may bend a measurement, read right before and after it; None has its reason in ``missing``."""

    battery_percent: float | None = None
    charging: bool | None = None
    temperature_celsius: float | None = Field(default=None, description="of the battery or the processor")
    thermal_status: int | None = Field(default=None, description="Android's: 0 none to 6 shutdown")
    airplane_mode: bool | None = None
    missing: dict[str, str] = Field(default_factory=dict, description="field to why it is None")


class IosState(DeviceState):
    """What iOS says beside it."""

    thermal_state: str = Field(description="nominal, fair, serious, critical, or one that is new")
    low_power_mode: bool = Field(description="which lowers the clocks")


class Contention(Frozen):
    """What else wanted the processors while the samples were taken; None has its reason in ``missing``."""

    processors: int = Field(ge=1, description="logical ones of the device")
    wait_share: float | None = Field(
        ge=0, le=1, description="of the time, while the timing thread was ready to run and did not"
    )
    others_running: float | None = Field(
        ge=0, description="threads ready to run besides the runtime's own, mean of looks 50 ms apart"
    )
    steal_share: float | None = Field(
        ge=0, le=1, description="of the machine's processor time, taken by its hypervisor"
    )
    missing: dict[str, str] = Field(default_factory=dict, description="field to why it is None")


class TimingResult(Frozen):
    """Raw output of a runner. Times in milliseconds, memory in bytes."""

    runtime_version: str = Field(min_length=1)
    threads: int | None = Field(ge=1, description="None where the runtime chooses and does not tell")
    load_ms: float
    first_ms: float = Field(description="the first inference after loading: the cold start")
    samples_ms: tuple[float, ...] = Field(description="in the order they were taken")
    peak_memory_bytes: int | None
    peak_memory_reason: str | None = None
    cores: tuple[int, ...] | None = Field(
        default=None,
        description="cores the runner was allowed to use, as the system says; None where it cannot",
    )
    rounds: int = Field(default=1, ge=1, description="processes whose samples are joined here")
    golden_difference: float | None = Field(
        default=None, description="largest difference of a logit from golden.json, on the device"
    )
    golden_tolerance: float | None = None
    contention: Contention | None = Field(default=None, description="None where the runner cannot tell")
    before: DeviceState | None = None
    after: DeviceState | None = None
    around: dict[str, str] = Field(default_factory=dict, description="what else the runner says of the run")

    @field_validator("load_ms", "first_ms", "samples_ms")
    @classmethod
    def _is_time(cls, value: Any) -> Any:
        times = value if isinstance(value, tuple) else (value,)
        if not all(math.isfinite(time) and time >= 0 for time in times):
            raise ValueError("a time must be finite and not negative")
        return value


class PairTiming(Frozen):
    """Samples of two artifacts that were timed beside each other, in milliseconds."""

    first_ms: tuple[float, ...] = Field(min_length=1)
    second_ms: tuple[float, ...] = Field(min_length=1)
    in_turns: bool = Field(description="the samples of each index were taken a moment apart")
    contention: Contention | None = None
