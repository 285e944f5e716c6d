"""What a limit is: its unit, its words, and where a report holds the figure that it is about."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer_deploy.measure.unit import Unit

if TYPE_CHECKING:
    from fer_deploy.data.account import Account
    from fer_deploy.devices.profile_schema import Budgets
    from fer_deploy.frozen import Unknown
    from fer_deploy.measure.figures import ParityFigures, RuntimeFigures, TargetParity
    from fer_deploy.measure.measurement import Measurement
    from fer_deploy.report.schema import ArtifactReport, Report

#: A share such as 1 - 0.71 is that much beyond 0.29, relatively, since binary fractions are rounded.
ROUNDING = 1e-12


@dataclass(frozen=True)
class LimitUnit:
    """What the number of a limit counts.

    Attributes:
        unit: of the figure.
        scale: the figure's unit per unit of the limit, e.g. 1000 bytes per KB.
        text: the limit's unit for people.
        lowest, highest: the range of numbers that a limit may have; None: no end.
    """

    unit: Unit
    scale: float
    text: str
    lowest: float = 0
    highest: float | None = None


@dataclass(frozen=True, kw_only=True)
class LimitKind:
    """What every limit has.

    Attributes:
        key: its name in ``[budget]``.
        figure: the figure's name in verdicts.
        counted: what its number counts.
        least: True when the figure must be at least the limit, False when at most.
        about: one sentence for people.
        by_value: True when the figure is held to its value: it has no interval, or one that is of no use here.
        diagnosed: True when a known mistake in the artifact explains a failure.
        of_profile: reads the limit that a device sets for itself, in the figure's unit; None when none may.
        needed: says how many images show a figure within its limit; takes the figure's value, the images there are,
            the limit in the figure's unit and the artifact's parity. None where images don't narrow the figure.
        planned: says before a run how many images it takes; takes the limit in the figure's unit, the share of answers
            that change, the number of classes and the chance to pass. None where that is not about images alone.
        suggested: the number that `fer-deploy init` begins with; None where it depends on the model.
        per_class: True when ``planned`` counts the images of each class.
    """

    key: str
    figure: str
    counted: LimitUnit
    least: bool
    about: str
    by_value: bool = False
    diagnosed: bool = False
    of_profile: Callable[[Budgets], float | None] | None = None
    needed: Callable[[float, int, float, ParityFigures | None], int | None] | None = None
    planned: Callable[[float, float, int, float], int | None] | None = None
    suggested: float | None = None
    per_class: bool = False

    @property
    def help(self) -> str:
        """What the limit is, and what of the figure is held to it."""
        end = "value" if self.by_value else f"interval's {'lower' if self.least else 'upper'} end"
        return f"{self.about} Its {end} is judged."

    @property
    def option(self) -> str:
        """The option of ``check`` that sets it."""
        return f"--{self.key.replace('_', '-')}"

    @property
    def unit(self) -> Unit:
        """The figure's unit."""
        return self.counted.unit

    def goal(self, limit: float) -> float:
        """Return the limit in the figure's unit."""
        scale = self.counted.scale
        # 57 * 0.01 is above 0.57, and 57 of 100 images would not be at least 57 %
        return limit * scale if scale >= 1 else limit / round(1 / scale)

    def holds(self, value: float, limit: float) -> bool:
        """Return whether a value in the figure's unit is within the limit; one that is just at it is."""
        goal = self.goal(limit)
        return (value >= goal if self.least else value <= goal) or self.at(value, limit)

    def at(self, value: float, limit: float) -> bool:
        """Return whether a value in the figure's unit is just at the limit."""
        return math.isclose(value, self.goal(limit), rel_tol=ROUNDING)

    def describe(self, limit: float) -> str:
        """Return e.g. ``at most 0.5 points``."""
        return f"{'at least' if self.least else 'at most'} {limit:,.10g} {self.counted.text}"


@dataclass(frozen=True, kw_only=True)
class ArtifactLimit(LimitKind):
    """A limit on a figure that an artifact has wherever it runs.

    Attributes:
        of: reads the figure.
        of_float: reads the float model's, when it is held to the limit too.
    """

    of: Callable[[Report, ArtifactReport], Measurement]
    of_float: Callable[[Report], Measurement] | None = None


@dataclass(frozen=True, kw_only=True)
class PairLimit(LimitKind):
    """A limit on a figure of every two targets of one recipe.

    Attributes:
        of: reads the figure.
    """

    of: Callable[[TargetParity], Measurement]


@dataclass(frozen=True, kw_only=True)
class DeviceLimit(LimitKind):
    """A limit on a figure of an artifact on a device.

    Attributes:
        of: reads the figure; None: devices of this kind have none.
        timed: True when an INVALID timing makes the figure worth nothing.
    """

    of: Callable[[RuntimeFigures], Measurement | None]
    timed: bool


@dataclass(frozen=True, kw_only=True)
class DatasetLimit(LimitKind):
    """A limit on a count of the test images, whatever the model.

    Attributes:
        of: reads the count.
    """

    least: bool = False
    by_value: bool = True
    of: Callable[[Account], int | Unknown]


Limit = ArtifactLimit | PairLimit | DeviceLimit | DatasetLimit
