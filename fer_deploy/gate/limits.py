"""Limits that the gate holds a report to, and the waivers that excuse single verdicts for a time."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field

from fer_deploy.frozen import Frozen
from fer_deploy.measure.measurement import Provenance, Unit

Acceptable = Literal["measured", "emulated", "estimated"]
#: A limit in TOML: a number, or false to lift one that holds elsewhere. Strict: true is no number.
Number = Annotated[float, Field(strict=True, ge=0)] | Literal[False] | None
Share = Annotated[float, Field(strict=True, ge=0, le=100)] | Literal[False] | None


class Limits(Frozen):
    """Limits of one table; None: not said here, false: no limit."""

    min_accuracy: Share = Field(default=None, description="per cent, of the artifact and of the float model")
    max_accuracy_drop: Number = Field(default=None, description="percentage points against the float model")
    max_worst_class_drop: Number = Field(
        default=None, description="percentage points of recall, of the class that loses most"
    )
    max_flips: Share = Field(default=None, description="images whose top-1 class changes, per cent")
    max_ece_shift: Number = Field(
        default=None, description="change of the calibration error, percentage points"
    )
    min_target_agreement: Share = Field(
        default=None, description="same top-1 class on two targets of one recipe, per cent of the images"
    )
    max_size_kb: Number = Field(default=None, description="model file; 1 KB = 1000 bytes")
    max_p90_ms: Number = Field(default=None, description="p90 latency, milliseconds")
    max_peak_memory_mb: Number = Field(
        default=None, description="above the bare runtime; 1 MB = 1,000,000 bytes"
    )


class Budget(Limits):
    """``[budget]``: limits for every artifact, and those that one artifact or device has instead.

    The nearest limit holds: that of the artifact, then of the device, then the general one, then the
    device profile's own; of several names that match, the one written first.
    """

    accept: tuple[Acceptable, ...] = Field(
        default=("measured",),
        min_length=1,
        description="provenances with which a figure may pass; any other counts as not measured",
    )
    artifacts: Mapping[str, Limits] = Field(
        default_factory=dict, description="by target-recipe; names may hold *"
    )
    devices: Mapping[str, Limits] = Field(default_factory=dict, description="by device; names may hold *")

    def accepts(self, provenance: Provenance) -> bool:
        """Return whether a figure of this provenance may pass."""
        return str(provenance) in self.accept

    def limit(
        self, key: str, artifact: str | None, device: str | None, profile: Limits | None = None
    ) -> float | None:
        """Return the limit called ``key`` of an artifact on a device, or None when there is none."""
        tables = (
            *(table for name, table in self.artifacts.items() if artifact and fnmatchcase(artifact, name)),
            *(table for name, table in self.devices.items() if device and fnmatchcase(device, name)),
            self,
            profile,
        )
        for table in tables:
            value = getattr(table, key) if table is not None else None
            if value is not None:
                return None if value is False else float(value)
        return None

    def overridden(self, limits: Mapping[str, float | None], accept: tuple[str, ...]) -> Budget:
        """Return the budget with those of ``limits`` that are not None in the place of every limit of that name."""
        given = {key: value for key, value in limits.items() if value is not None}
        lifted = dict.fromkeys(given)
        values: dict[str, object] = {
            **given,
            "artifacts": {name: one.model_copy(update=lifted) for name, one in self.artifacts.items()},
            "devices": {name: one.model_copy(update=lifted) for name, one in self.devices.items()},
        }
        return self.model_copy(update=values | ({"accept": accept} if accept else {}))

    @property
    def empty(self) -> bool:
        """True when no limit is set anywhere in it."""
        tables = (self, *self.artifacts.values(), *self.devices.values())
        return not any(getattr(table, key) not in (None, False) for table in tables for key in LIMITS)


class Waiver(Frozen):
    """``[[waiver]]``: a dated line that excuses a verdict; names may hold ``*``."""

    figure: str = Field(min_length=1, description="as `fer-deploy check` prints it, e.g. 'p90 latency'")
    artifact: str = "*"
    device: str = "*"
    until: datetime.date = Field(description="last day on which it holds")
    reason: str = Field(min_length=1)

    def covers(self, figure: str, subject: str, device: str | None) -> bool:
        """Return whether the waiver is about this verdict, whatever the date."""
        return (
            fnmatchcase(figure, self.figure)
            and fnmatchcase(subject, self.artifact)
            and (self.device == "*" or (device is not None and fnmatchcase(device, self.device)))
        )


@dataclass(frozen=True)
class LimitKind:
    """What a limit is about.

    Attributes:
        figure: its name in verdicts.
        unit: of the figure.
        scale: the figure's unit per unit of the limit, e.g. 1000 bytes per KB.
        least: True when the figure must be at least the limit, False when at most.
        text: the limit's unit for people.
    """

    figure: str
    unit: Unit
    scale: float
    least: bool
    text: str

    def describe(self, limit: float) -> str:
        """Return e.g. ``at most 0.5 points``."""
        return f"{'at least' if self.least else 'at most'} {limit:,.10g} {self.text}"


LIMITS: Mapping[str, LimitKind] = {
    "min_accuracy": LimitKind("accuracy", Unit.FRACTION, 0.01, True, "%"),
    "max_accuracy_drop": LimitKind("accuracy drop", Unit.POINTS, 1, False, "points"),
    "max_worst_class_drop": LimitKind("worst-class recall drop", Unit.POINTS, 1, False, "points"),
    "max_flips": LimitKind("flips", Unit.FRACTION, 0.01, False, "%"),
    "max_ece_shift": LimitKind("ECE shift", Unit.POINTS, 1, False, "points"),
    "min_target_agreement": LimitKind("target agreement", Unit.FRACTION, 0.01, True, "%"),
    "max_size_kb": LimitKind("size", Unit.BYTES, 1e3, False, "KB"),
    "max_p90_ms": LimitKind("p90 latency", Unit.MILLISECONDS, 1, False, "ms"),
    "max_peak_memory_mb": LimitKind("peak memory", Unit.BYTES, 1e6, False, "MB"),
}
