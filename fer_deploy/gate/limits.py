"""The limits of the gate: a limit is one row here, and everything about it is read from the row.

So are the keys of ``[budget]``, the options of ``check``, the limits that device profiles set, the words of verdicts
and the figure that is judged. Nothing heavy is imported: the command line makes its options of these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from fer_deploy.gate.limit import ArtifactLimit, DatasetLimit, DeviceLimit, Limit, LimitUnit, PairLimit
from fer_deploy.gate.needed import (
    images_for_drop,
    images_for_flips,
    images_for_share,
    plan_drop,
    plan_flips,
    plan_worst_class,
)
from fer_deploy.measure.unit import Unit

if TYPE_CHECKING:
    from fer_deploy.measure.figures import RuntimeFigures
    from fer_deploy.measure.measurement import Measurement
    from fer_deploy.report.schema import ArtifactReport, Report

#: Provenances with which a budget may let a figure pass.
Acceptable = Literal["measured", "emulated", "estimated"]

#: Per cent that `check --against` rules out where nobody says otherwise: half of the smallest difference (10 %) that
#: two runs apart can show, see ``gate.changes``.
DEFAULT_SLOWDOWN = 5.0

PER_CENT = LimitUnit(Unit.FRACTION, 0.01, "%", highest=100)
POINTS = LimitUnit(Unit.POINTS, 1, "points")
KILOBYTES = LimitUnit(Unit.BYTES, 1e3, "KB")
MEGABYTES = LimitUnit(Unit.BYTES, 1e6, "MB")
IMAGES = LimitUnit(Unit.COUNT, 1, "images")
MILLISECONDS = LimitUnit(Unit.MILLISECONDS, 1, "ms")


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


def _corrupted_accuracy(_: Report, artifact: ArtifactReport) -> Measurement:
    from fer_deploy.gate.derived import under_corruption

    return under_corruption(artifact.corrupted, lambda figures: figures.accuracy)


def _float_corrupted_accuracy(report: Report) -> Measurement:
    from fer_deploy.gate.derived import under_corruption

    return under_corruption(report.float_corrupted, lambda figures: figures.accuracy)


def _corrupted_flips(_: Report, artifact: ArtifactReport) -> Measurement:
    from fer_deploy.gate.derived import complement, under_corruption

    return complement(under_corruption(artifact.corrupted, lambda figures: figures.agreement))


def _npu_flips(_: Report, artifact: ArtifactReport) -> Measurement:
    from fer_deploy.gate.derived import flips_on_npu

    return flips_on_npu(artifact)


def _planned(figures: RuntimeFigures, memory: Literal["sram", "flash"]) -> Measurement | None:
    from fer_deploy.gate.derived import planned

    return planned(figures, memory)


ACCURACY_DROP = ArtifactLimit(
    key="max_accuracy_drop",
    figure="accuracy drop",
    counted=POINTS,
    least=False,
    about="Largest accuracy drop against the float model, points.",
    suggested=1.0,
    diagnosed=True,
    of=lambda _, artifact: artifact.parity.drop,
    of_profile=lambda own: own.accuracy_drop_points,
    needed=images_for_drop,
    planned=plan_drop,
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
        needed=images_for_share,
    ),
    ACCURACY_DROP,
    ArtifactLimit(
        key="max_worst_class_drop",
        figure="worst-class recall drop",
        counted=POINTS,
        least=False,
        about="Largest recall drop of any class, points.",
        suggested=10.0,
        # with the few images that rare classes have, the interval of the worst of many classes is wider than any
        # useful limit; it is printed
        by_value=True,
        of=_worst_class_drop,
        planned=plan_worst_class,
        per_class=True,
    ),
    ArtifactLimit(
        key="max_flips",
        figure="flips",
        counted=PER_CENT,
        least=False,
        about="Largest share of images whose class changes, per cent.",
        suggested=3.0,
        diagnosed=True,
        of=_flips,
        needed=images_for_flips,
        planned=plan_flips,
    ),
    FLIPPED_IMAGES,
    ArtifactLimit(
        key="max_ece_shift",
        figure="ECE shift",
        counted=POINTS,
        least=False,
        about="Largest change of the calibration error, points.",
        suggested=2.0,
        by_value=True,
        of=_ece_shift,
    ),
    ArtifactLimit(
        key="min_corrupted_accuracy",
        figure="accuracy under corruption",
        counted=PER_CENT,
        least=True,
        about="Least mean accuracy under corruption, per cent.",
        of=_corrupted_accuracy,
        of_float=_float_corrupted_accuracy,
    ),
    ArtifactLimit(
        key="max_corrupted_flips",
        figure="flips under corruption",
        counted=PER_CENT,
        least=False,
        about="Largest mean share of corrupted images whose class changes, per cent.",
        of=_corrupted_flips,
    ),
    ArtifactLimit(
        key="max_npu_flips",
        figure="flips on an NPU",
        counted=PER_CENT,
        least=False,
        about="Largest share of images whose class changes on an emulated NPU, per cent.",
        of=_npu_flips,
        needed=images_for_flips,
    ),
    PairLimit(
        key="min_target_agreement",
        figure="target agreement",
        counted=PER_CENT,
        least=True,
        about="Least agreement between two targets, per cent.",
        suggested=95.0,
        of=lambda pair: pair.agreement,
        needed=images_for_share,
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
    DeviceLimit(
        key="max_sram_kb",
        figure="SRAM",
        counted=KILOBYTES,
        least=False,
        about="Most SRAM that an NPU's compiler plans to use, KB of 1000 bytes.",
        by_value=True,
        of=lambda figures: _planned(figures, "sram"),
        timed=False,
        of_profile=lambda own: own.sram_bytes,
    ),
    DeviceLimit(
        key="max_flash_kb",
        figure="flash",
        counted=KILOBYTES,
        least=False,
        about="Most flash that an NPU's compiler plans to use, KB of 1000 bytes.",
        by_value=True,
        of=lambda figures: _planned(figures, "flash"),
        timed=False,
        of_profile=lambda own: own.flash_bytes,
    ),
    DatasetLimit(
        counted=IMAGES,
        key="max_repeated_images",
        figure="repeated images",
        about="Most test images that an earlier one equals.",
        of=lambda account: account.repeated,
    ),
    DatasetLimit(
        counted=IMAGES,
        key="max_images_with_two_labels",
        figure="images with two labels",
        about="Most test images that occur under another label too.",
        of=lambda account: account.two_labels,
    ),
    DatasetLimit(
        counted=IMAGES,
        key="max_images_in_training",
        figure="images in training",
        about="Most test images that are in the training split too.",
        of=lambda account: account.in_training,
    ),
    DatasetLimit(
        counted=IMAGES,
        key="max_passed_over",
        figure="passed over",
        about="Most files or images of the test set that are passed over.",
        of=lambda account: sum(account.passed_over.values()),
    ),
)
#: By key, in the order in which they are judged and shown.
LIMITS: Mapping[str, Limit] = MappingProxyType({row.key: row for row in _ROWS})
