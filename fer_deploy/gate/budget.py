"""``[budget]`` and ``[[waiver]]``: which limits hold where, and what excuses single verdicts for a time."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model

from fer_deploy.devices.profile_schema import Budgets
from fer_deploy.frozen import Frozen
from fer_deploy.gate.limits import LIMITS, Acceptable, Limit
from fer_deploy.measure.measurement import Provenance


def _field(kind: Limit) -> tuple[Any, Any]:
    """Return what pydantic makes the field of a limit of: a number in range, or false to lift the limit."""
    # strict, since true is no number
    number = Annotated[float, Field(strict=True, ge=kind.counted.lowest, le=kind.counted.highest)]
    # in order, since pydantic takes 0 for False when it may choose
    number_or_false = Annotated[number | Literal[False], Field(union_mode="left_to_right")]
    return number_or_false | None, Field(default=None, description=kind.help)


if TYPE_CHECKING:
    _Table = Frozen
else:
    _Table = create_model("_Table", __base__=Frozen, **{key: _field(kind) for key, kind in LIMITS.items()})


class Limits(_Table):
    """Limits of one table, a field to each row of ``LIMITS``; None: not said here, false: no limit."""

    def said(self, kind: Limit) -> float | Literal[False] | None:
        """Return what the table says of a limit."""
        values: dict[str, float | Literal[False] | None] = dict(self)
        return values[kind.key]

    @classmethod
    def of_profile(cls, own: Budgets) -> Limits | None:
        """Return the limits that a device profile sets for itself, or None without any."""
        values = {
            key: value / kind.counted.scale
            for key, kind in LIMITS.items()
            if kind.of_profile is not None and (value := kind.of_profile(own)) is not None
        }
        return cls.model_validate(values) if values else None


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
        self, kind: Limit, artifact: str | None, device: str | None, profile: Limits | None = None
    ) -> float | None:
        """Return the number of a limit for an artifact on a device, or None when there is none."""
        tables = (
            *(table for name, table in self.artifacts.items() if artifact and fnmatchcase(artifact, name)),
            *(table for name, table in self.devices.items() if device and fnmatchcase(device, name)),
            self,
            *((profile,) if profile is not None else ()),
        )
        for table in tables:
            value = table.said(kind)
            if value is not None:
                return None if value is False else float(value)
        return None

    def overridden(self, limits: Mapping[str, float | None], accept: tuple[str, ...]) -> Budget:
        """Return the budget with those of ``limits`` that are not None in the place of every limit of that key."""
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
        said = (table.said(kind) for table in tables for kind in LIMITS.values())
        # by identity: a limit of 0 equals False and is a limit all the same
        return all(value is None or value is False for value in said)


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
