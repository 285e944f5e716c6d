"""``[budget]`` and ``[[waiver]]``: which limits hold where, and what excuses single verdicts for a time."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeGuard

from pydantic import Field, ValidationError, create_model

from fer_deploy.devices.profile_schema import Budgets
from fer_deploy.errors import ArgumentError
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.gate.limit import Limit
from fer_deploy.gate.limits import LIMITS, Acceptable
from fer_deploy.measure.measurement import Provenance
from fer_deploy.names import meant_or_known


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
        value: float | Literal[False] | None = getattr(self, kind.key)
        return value

    @classmethod
    def of_profile(cls, own: Budgets) -> Limits | None:
        """Return the limits that a device profile sets for itself, or None without any."""
        values = {
            key: value / kind.counted.scale
            for key, kind in LIMITS.items()
            if kind.of_profile is not None and (value := kind.of_profile(own)) is not None
        }
        return cls.model_validate(values) if values else None


def given_limits(limits: Mapping[str, object]) -> dict[str, float | None]:
    """Return the limits that a Python caller gave by keyword, for :meth:`Budget.overridden`.

    Raises:
        ArgumentError: there is no such limit, or the value is neither a number in its range nor False.
    """
    for name in limits:
        if name not in LIMITS:
            raise ArgumentError(f"there is no limit '{name}'; {meant_or_known(name, LIMITS)}")
    # numpy's numbers too; True is none
    values = {key: float(one) if _is_number(one) else one for key, one in limits.items()}
    try:
        found = Limits.model_validate(values)
    except ValidationError as error:
        raise ArgumentError(f"limit {first_problem(error)}") from None
    return {key: found.said(LIMITS[key]) for key in limits}


def _is_number(value: object) -> TypeGuard[Real]:
    return isinstance(value, Real) and not isinstance(value, bool)


GENERAL_TABLE = "[budget]"
ARTIFACTS_TABLE = '[budget.artifacts."{}"]'
DEVICES_TABLE = '[budget.devices."{}"]'
PROFILE_TABLE = "the device's profile"


@dataclass(frozen=True)
class Line:
    """One line of a budget.

    Attributes:
        table: where it stands, e.g. ``[budget.artifacts."onnx-*"]``.
        key: which limit it is about.
        value: its number, in the limit's unit; None lifts the limit.
    """

    table: str
    key: str
    value: float | None

    @property
    def name(self) -> str:
        """The line as it reads in the file."""
        said = "false" if self.value is None else f"{self.value:.10g}"
        return f"{self.table} {self.key} = {said}"


class Budget(Limits):
    """``[budget]``: limits for every artifact, and those that one artifact or device has instead.

    The nearest limit holds: that of the artifact, then of the device, then the general one, then the
    device profile's own. A name without ``*`` is nearer than one with; of several that are equally near
    the strictest number holds, whichever is written first.
    """

    accept: tuple[Acceptable, ...] = Field(
        default=("measured",),
        min_length=1,
        description="provenances with which a figure may pass beside measured; any other counts as not measured",
    )
    artifacts: Mapping[str, Limits] = Field(
        default_factory=dict, description="by target-recipe; names may hold *"
    )
    devices: Mapping[str, Limits] = Field(default_factory=dict, description="by device; names may hold *")

    def accepts(self, provenance: Provenance) -> bool:
        """Return whether a figure of this provenance may pass; a measured one always may."""
        return provenance is Provenance.MEASURED or str(provenance) in self.accept

    def lines(self) -> tuple[Line, ...]:
        """Return every limit that the budget sets or lifts, with the table that it stands in."""
        said = (_line(table, limits, kind) for table, limits in self._tables() for kind in LIMITS.values())
        return tuple(line for line in said if line is not None)

    def covering(
        self, kind: Limit, artifact: str | None, names: tuple[str, ...] = (), profile: Limits | None = None
    ) -> tuple[tuple[Line, ...], ...]:
        """Return the lines on a limit that cover a figure, the nearest first; equally near ones stand together.

        Args:
            kind: the limit.
            artifact: the figure's artifact, or None.
            names: every name of the device that it is of; empty without a device.
            profile: what that device sets for itself.
        """
        ours = (artifact,) if artifact is not None else ()
        levels = (
            *_by_nearness(self.artifacts, ARTIFACTS_TABLE, ours),
            *_by_nearness(self.devices, DEVICES_TABLE, names),
            ((GENERAL_TABLE, self),),
            ((PROFILE_TABLE, profile),) if profile is not None else (),
        )
        said = (
            tuple(line for table, limits in level if (line := _line(table, limits, kind)) is not None)
            for level in levels
        )
        return tuple(level for level in said if level)

    def _tables(self) -> Iterator[tuple[str, Limits]]:
        yield GENERAL_TABLE, self
        yield from ((ARTIFACTS_TABLE.format(name), limits) for name, limits in self.artifacts.items())
        yield from ((DEVICES_TABLE.format(name), limits) for name, limits in self.devices.items())

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


def _line(table: str, limits: Limits, kind: Limit) -> Line | None:
    value = limits.said(kind)
    # by identity: a limit of 0 equals False and is a limit all the same
    return None if value is None else Line(table, kind.key, None if value is False else float(value))


def _by_nearness(
    tables: Mapping[str, Limits], title: str, names: tuple[str, ...]
) -> tuple[tuple[tuple[str, Limits], ...], ...]:
    """Return the tables under a name of ``names``, then those under a pattern that one of them matches."""
    exact = {name: limits for name, limits in tables.items() if name in names}
    loose = {
        pattern: limits
        for pattern, limits in tables.items()
        if pattern not in exact and any(fnmatchcase(name, pattern) for name in names)
    }
    return tuple(
        tuple((title.format(key), limits) for key, limits in level.items()) for level in (exact, loose)
    )


class Waiver(Frozen):
    """``[[waiver]]``: a dated line that excuses a verdict; names may hold ``*``."""

    figure: str = Field(min_length=1, description="as `fer-deploy check` prints it, e.g. 'p90 latency'")
    artifact: str = "*"
    device: str = "*"
    until: datetime.date = Field(description="last day on which it holds")
    reason: str = Field(min_length=1)

    def covers(self, figure: str, subject: str, names: tuple[str, ...]) -> bool:
        """Return whether the waiver is about a verdict, whatever the date; ``names`` are all of its device."""
        return (
            fnmatchcase(figure, self.figure)
            and fnmatchcase(subject, self.artifact)
            and (self.device == "*" or any(fnmatchcase(name, self.device) for name in names))
        )

    @property
    def label(self) -> str:
        """What people call it."""
        on = "" if self.device == "*" else f" on {self.device}"
        return f"the waiver for {self.figure} of {self.artifact}{on} until {self.until}"
