"""A figure and how it was obtained. Reports hold no bare floats: every figure is a Measurement.

What was computed by emulation is turned into emulated figures in one place, too: :func:`as_emulated`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, Field, model_validator

from fer_deploy.frozen import Frozen
from fer_deploy.measure.unit import Unit

__all__ = [
    "Interval",
    "Measurement",
    "Provenance",
    "Unit",
    "estimated",
    "measured",
    "not_measured",
]


#: The condition of an estimate that says why the device was not asked.
NOT_ASKED = "not measured because"
#: The condition of an estimate without an interval that says why there is none.
NO_INTERVAL = "interval"


class Provenance(StrEnum):
    """How a figure was obtained."""

    MEASURED = "measured"
    EMULATED = "emulated"
    ESTIMATED = "estimated"
    NOT_MEASURED = "not measured"


class Interval(Frozen):
    """An interval around a value, in the value's unit."""

    low: float
    high: float
    method: str = Field(min_length=1, description="e.g. '95 %, Wilson'")

    @model_validator(mode="after")
    def _upward(self) -> Interval:
        if self.low > self.high:
            raise ValueError(f"an interval's low bound {self.low} is above its high bound {self.high}")
        return self


class Measurement(Frozen):
    """One figure: value, unit, provenance, interval and the conditions it holds under.

    Rules, checked on construction: a value is there if and only if it was obtained; what was not
    measured says why; an estimate has an interval, or says why none is known; time is never emulated.
    """

    value: float | None
    unit: Unit
    provenance: Provenance
    reason: str | None = None
    interval: Interval | None = None
    conditions: dict[str, str] = Field(default_factory=dict)
    samples: tuple[float, ...] = Field(default=(), description="raw samples in the value's unit, in order")

    @model_validator(mode="after")
    def _rules(self) -> Measurement:
        if (self.value is None) != (self.provenance is Provenance.NOT_MEASURED):
            raise ValueError("a value is missing if and only if the figure is 'not measured'")
        if self.provenance is Provenance.NOT_MEASURED and not self.reason:
            raise ValueError("a figure that is 'not measured' must say why")
        unbounded = self.interval is None and not self.conditions.get(NO_INTERVAL)
        if self.provenance is Provenance.ESTIMATED and unbounded:
            raise ValueError("an estimate must have an interval, or say why it is not known")
        if self.provenance is Provenance.EMULATED and self.unit is Unit.MILLISECONDS:
            raise ValueError("emulated time is not latency and is never reported")
        return self

    @property
    def known(self) -> bool:
        """True when there is a value."""
        return self.value is not None


def measured(
    value: float,
    unit: Unit,
    interval: Interval | None = None,
    conditions: Mapping[str, Any] | None = None,
    samples: tuple[float, ...] = (),
) -> Measurement:
    """Return a figure that was measured; ``conditions`` values are turned into text."""
    return Measurement(
        value=float(value),
        unit=unit,
        provenance=Provenance.MEASURED,
        interval=interval,
        conditions={key: str(item) for key, item in (conditions or {}).items()},
        samples=samples,
    )


def estimated(
    value: float, unit: Unit, interval: Interval | None, conditions: Mapping[str, Any] | None = None
) -> Measurement:
    """Return a figure that was estimated; ``conditions`` say from what, and are turned into text.

    Without an interval one of them, :data:`NO_INTERVAL`, says why none is known.
    """
    return Measurement(
        value=float(value),
        unit=unit,
        provenance=Provenance.ESTIMATED,
        interval=interval,
        conditions={key: str(item) for key, item in (conditions or {}).items()},
    )


def not_measured(unit: Unit, reason: str) -> Measurement:
    """Return the place of a figure that could not be measured, with the reason."""
    return Measurement(value=None, unit=unit, provenance=Provenance.NOT_MEASURED, reason=reason)


Figures = TypeVar("Figures", bound=BaseModel)


def as_emulated(figures: Figures, emulation: str | None) -> Figures:
    """Return ``figures`` with every measured Measurement in it turned into an emulated one.

    ``emulation`` says how, and becomes the condition of that name; None returns ``figures`` as they are.
    """
    if emulation is None:
        return figures
    if isinstance(figures, Measurement):
        if figures.provenance is not Provenance.MEASURED:
            return figures
        fields = dict(figures) | {
            "provenance": Provenance.EMULATED,
            "conditions": {**figures.conditions, "emulation": emulation},
        }
        return type(figures)(**fields)
    return figures.model_copy(
        update={name: _emulated(value, emulation) for name, value in dict(figures).items()}
    )


def _emulated(value: Any, emulation: str) -> Any:
    if isinstance(value, BaseModel):
        return as_emulated(value, emulation)
    return tuple(_emulated(item, emulation) for item in value) if isinstance(value, tuple) else value
