"""The result file of the benchmark: its schema, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from fer_deploy.frozen import Frozen
from fer_deploy.measure.measurement import Interval, Measurement

FILE = Path("benchmarks/peers/result.json")


class Made(Frozen):
    """``made.json``: what it took to make a file, and why there is none."""

    seconds: float = Field(ge=0)
    processor_seconds: float = Field(ge=0)
    failure: str | None = None


class Ratio(Frozen):
    """A ratio of times within one round: its median over the rounds, and the interval of that."""

    value: float = Field(gt=0)
    interval: Interval | None


class Beside(Frozen):
    """A peer minus fer-deploy in the same runtime, on the same images; a positive difference is the peer's lead."""

    accuracy: Measurement
    agreement: Measurement
    sqnr: Measurement
    bytes: float = Field(gt=0, description="the peer's file over ours, both bare")
    time: Ratio = Field(description="the peer's time over ours")


class Figures(Frozen):
    """What was measured of one file."""

    bytes: int = Field(gt=0)
    bare_bytes: int = Field(gt=0, description="without the exporter's notes: stack traces, names' shapes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    accuracy: Measurement
    drop: Measurement
    agreement: Measurement
    sqnr: Measurement
    milliseconds: float = Field(gt=0, description="median over the rounds")
    time: Ratio = Field(description="over fer-deploy's float artifact in the same runtime")
    beside: Beside | None = Field(
        description="None: the row that peers are compared with, or it has no figures"
    )


class Row(Frozen):
    """One entrant on one network: its figures, or why there are none."""

    key: str
    name: str
    target: str
    lines: int = Field(gt=0, description="of the user's code, counted in its source")
    seconds: float = Field(ge=0)
    processor_seconds: float = Field(ge=0)
    figures: Figures | None = None
    failure: str | None = None

    @model_validator(mode="after")
    def _either(self) -> Row:
        if (self.figures is None) == (not self.failure):
            raise ValueError(f"row {self.key} has either figures or says why it has none")
        return self


class Timing(Frozen):
    """Under which conditions times were taken."""

    rounds: int = Field(gt=0)
    per_round: int = Field(gt=0)
    load_before: float
    load_after: float
    others_share: float = Field(description="of all processors, taken by other programs meanwhile")
    quiet: bool


class NetworkResult(Frozen):
    """All rows of one network."""

    name: str
    parameters: int
    weights_sha256: str
    dataset: str
    images: int
    calibration_images: int
    accuracy: Measurement = Field(description="of the float network in torch")
    timing: Timing
    rows: tuple[Row, ...]


class Result(Frozen):
    """``result.json``."""

    schema_version: Literal["1.0"] = "1.0"
    date: str
    commit: str
    changed: bool = Field(description="files of the package differed from that commit")
    processor: str
    versions: dict[str, str]
    networks: tuple[NetworkResult, ...]


def read_result(file: Path = FILE) -> Result:
    """Return the result file, checked."""
    return Result.model_validate_json(file.read_text(encoding="utf-8"))
