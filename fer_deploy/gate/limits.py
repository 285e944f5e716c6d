"""The limits of the gate: a limit is one row here, and everything about it is read from the row.

So are the keys of ``[budget]``, the options of ``check``, the limits that device profiles set, the words of verdicts
and the figure that is judged. Nothing heavy is imported: the command line makes its options of these rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from fer_deploy.measure.unit import Unit

if TYPE_CHECKING:
    from fer_deploy.devices.profile_schema import Budgets
    from fer_deploy.measure.figures import ParityFigures, RuntimeFigures, TargetParity
    from fer_deploy.measure.measurement import Measurement
    from fer_deploy.report.schema import ArtifactReport, Report

#: Provenances with which a budget may let a figure pass.
Acceptable = Literal["measured", "emulated", "estimated"]

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


PER_CENT = LimitUnit(Unit.FRACTION, 0.01, "%", highest=100)
POINTS = LimitUnit(Unit.POINTS, 1, "points")
KILOBYTES = LimitUnit(Unit.BYTES, 1e3, "KB")
IMAGES = LimitUnit(Unit.COUNT, 1, "images")
MEGABYTES = LimitUnit(Unit.BYTES, 1e6, "MB")
MILLISECONDS = LimitUnit(Unit.MILLISECONDS, 1, "ms")


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
        of: reads the figure.
        timed: True when an INVALID timing makes the figure worth nothing.
    """

    of: Callable[[RuntimeFigures], Measurement]
    timed: bool


Limit = ArtifactLimit | PairLimit | DeviceLimit


def _worst_class_drop(report: Report, artifact: ArtifactReport) -> Measurement:
    from fer_deploy.gate.derived import worst_class_drop

    return worst_class_drop(report, artifact)


def _flips(_: Report, artifact: ArtifactReport) -> Measurement:
    from fer_deploy.gate.derived import complement

    return complement(artifact.parity.agreement)


def _flipped_images(_: Report, artifact: ArtifactReport) -> Measurement:
    from fer_deploy.gate.derived import flipped_images

    return flipped_images(artifact)


def _ece_shift(report: Report, artifact: ArtifactReport) -> Measurement:
    from fer_deploy.gate.derived import shift

    return shift(report.float_accuracy.ece, artifact.accuracy.ece)


def _images_for_share(share: float, images: int, least: float, _: ParityFigures | None = None) -> int | None:
    from fer_deploy.measure.statistics import images_for_share

    return images_for_share(round(share * images), images, least)


def _images_for_flips(share: float, images: int, most: float, _: ParityFigures | None) -> int | None:
    return _images_for_share(1 - share, images, 1 - most)


def _images_for_drop(_: float, images: int, most: float, parity: ParityFigures | None) -> int | None:
    from fer_deploy.measure.statistics import images_for_drop

    if parity is None or parity.lost is None or parity.gained is None:
        return None
    return images_for_drop(parity.lost, parity.gained, images, most / 100)


ACCURACY_DROP = ArtifactLimit(
    key="max_accuracy_drop",
    figure="accuracy drop",
    counted=POINTS,
    least=False,
    about="Largest accuracy drop against the float model, points.",
    diagnosed=True,
    of=lambda _, artifact: artifact.parity.drop,
    of_profile=lambda own: own.accuracy_drop_points,
    needed=_images_for_drop,
)
FLIPPED_IMAGES = ArtifactLimit(
    key="max_flipped_images",
    figure="flipped images",
    counted=IMAGES,
    least=False,
    about="Most images whose class changes, counted.",
    # it is about these images and claims nothing of others
    by_value=True,
    diagnosed=True,
    of=_flipped_images,
)
_ROWS: tuple[Limit, ...] = (
    ArtifactLimit(
        key="min_accuracy",
        figure="accuracy",
        counted=PER_CENT,
        least=True,
        about="Least accuracy, per cent.",
        diagnosed=True,
        of=lambda _, artifact: artifact.accuracy.accuracy,
        of_float=lambda report: report.float_accuracy.accuracy,
        needed=_images_for_share,
    ),
    ACCURACY_DROP,
    ArtifactLimit(
        key="max_worst_class_drop",
        figure="worst-class recall drop",
        counted=POINTS,
        least=False,
        about="Largest recall drop of any class, points.",
        # with the few images that rare classes have, the interval of the worst of many classes is wider than any
        # useful limit; it is printed
        by_value=True,
        of=_worst_class_drop,
    ),
    ArtifactLimit(
        key="max_flips",
        figure="flips",
        counted=PER_CENT,
        least=False,
        about="Largest share of images whose class changes, per cent.",
        diagnosed=True,
        of=_flips,
        needed=_images_for_flips,
    ),
    FLIPPED_IMAGES,
    ArtifactLimit(
        key="max_ece_shift",
        figure="ECE shift",
        counted=POINTS,
        least=False,
        about="Largest change of the calibration error, points.",
        by_value=True,
        of=_ece_shift,
    ),
    PairLimit(
        key="min_target_agreement",
        figure="target agreement",
        counted=PER_CENT,
        least=True,
        about="Least agreement between two targets, per cent.",
        of=lambda pair: pair.agreement,
        needed=_images_for_share,
    ),
    ArtifactLimit(
        key="max_size_kb",
        figure="size",
        counted=KILOBYTES,
        least=False,
        about="Largest model file, KB of 1000 bytes.",
        by_value=True,
        of=lambda _, artifact: artifact.size,
        of_profile=lambda own: own.size_bytes,
    ),
    DeviceLimit(
        key="max_p90_ms",
        figure="p90 latency",
        counted=MILLISECONDS,
        least=False,
        about="Largest p90 latency, milliseconds.",
        of=lambda figures: figures.latency_p90,
        timed=True,
        of_profile=lambda own: own.p90_ms,
    ),
    DeviceLimit(
        key="max_peak_memory_mb",
        figure="peak memory",
        counted=MEGABYTES,
        least=False,
        about="Largest peak memory, MB of 1,000,000 bytes.",
        by_value=True,
        of=lambda figures: figures.peak_memory,
        timed=False,
        of_profile=lambda own: own.peak_memory_bytes,
    ),
)
#: By key, in the order in which they are judged and shown.
LIMITS: Mapping[str, Limit] = MappingProxyType({row.key: row for row in _ROWS})
