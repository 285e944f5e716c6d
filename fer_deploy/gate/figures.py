"""The figures that limits are about, from a report; one that should be there and is not is never left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.measurement import Interval, Measurement, Provenance, Unit, not_measured
from fer_deploy.report.schema import ArtifactReport, DeviceReport, Report

FLOAT_MODEL = "float model"
_WORST_FIRST = (Provenance.NOT_MEASURED, Provenance.ESTIMATED, Provenance.EMULATED, Provenance.MEASURED)


@dataclass(frozen=True)
class Expected:
    """What the configuration asks for; the gate misses what is not in the report.

    Attributes:
        artifacts: ``target-recipe`` keys; empty means what the report holds.
        devices: device names, likewise.
        targets_of: per device the targets that it runs at all; other artifacts are not missed on it.
    """

    artifacts: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    targets_of: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def keys(self, report: Report) -> tuple[str, ...]:
        """Return the artifacts that must have figures, the report's own first."""
        return tuple(dict.fromkeys((*(one.key for one in report.artifacts), *self.artifacts)))

    def device_names(self, report: Report) -> tuple[str, ...]:
        """Return the devices that must have figures, the report's own first."""
        return tuple(dict.fromkeys((*(one.name for one in report.devices), *self.devices)))

    def runs(self, device: str, artifact: str) -> bool:
        """Return whether the device runs the artifact's target; True when nothing is known of it."""
        targets = self.targets_of.get(device)
        return targets is None or artifact.partition("-")[0] in targets


@dataclass(frozen=True)
class Judged:
    """One figure to be held to a limit.

    Attributes:
        subject: artifact key, pair of artifacts, or the float model.
        artifact: the key whose limits hold, or None.
        device: the device's name, or None.
        invalid: why the figure must not be used although it is there.
    """

    subject: str
    artifact: str | None
    device: str | None
    figure: Measurement
    invalid: tuple[str, ...] = ()


def judged(report: Report, key: str, expected: Expected) -> Iterator[Judged]:
    """Yield every figure that the limit called ``key`` is about."""
    if key == "min_target_agreement":
        yield from _agreements(report, expected)
    elif key in ("max_p90_ms", "max_peak_memory_mb"):
        yield from _on_devices(report, key, expected)
    else:
        if key == "min_accuracy":
            yield Judged(FLOAT_MODEL, None, None, report.float_accuracy.accuracy)
        by_key = {one.key: one for one in report.artifacts}
        for name in expected.keys(report):
            one = by_key.get(name)
            yield Judged(name, name, None, _skipped(key) if one is None else _of_artifact(report, one, key))


def _of_artifact(report: Report, one: ArtifactReport, key: str) -> Measurement:
    match key:
        case "min_accuracy":
            return one.accuracy.accuracy
        case "max_accuracy_drop":
            return one.parity.drop
        case "max_worst_class_drop":
            empty = [label for label, count in report.dataset.per_class.items() if count == 0]
            if empty and one.parity.worst_class_drop.known:
                return not_measured(Unit.POINTS, f"the test set has no image of {', '.join(empty)}")
            return one.parity.worst_class_drop
        case "max_flips":
            return _complement(one.parity.agreement)
        case "max_ece_shift":
            return _shift(report.float_accuracy.ece, one.accuracy.ece)
        case "max_size_kb":
            return one.size
        case _:
            raise ValueError(f"no artifact has a figure for {key}")


def _skipped(key: str) -> Measurement:
    units = {
        "max_accuracy_drop": Unit.POINTS,
        "max_worst_class_drop": Unit.POINTS,
        "max_ece_shift": Unit.POINTS,
    }
    return not_measured(
        Unit.BYTES if key == "max_size_kb" else units.get(key, Unit.FRACTION),
        "the configuration asks for this artifact and the report does not hold it",
    )


def _agreements(report: Report, expected: Expected) -> Iterator[Judged]:
    """Yield the agreement of every two targets of one recipe."""
    recipes: dict[str, list[str]] = {}
    for name in expected.keys(report):
        target, _, recipe = name.partition("-")
        recipes.setdefault(recipe, []).append(target)
    known = {(pair.recipe, frozenset((pair.first, pair.second))): pair for pair in report.between_targets}
    for recipe, targets in recipes.items():
        for first, second in combinations(targets, 2):
            pair = known.get((recipe, frozenset((first, second))))
            figure = (
                pair.agreement
                if pair is not None
                else not_measured(Unit.FRACTION, _why_no_pair(report, (first, second), recipe))
            )
            yield Judged(f"{first} – {second}, {recipe}", None, None, figure)


def _why_no_pair(report: Report, targets: tuple[str, str], recipe: str) -> str:
    by_key = {one.key: one for one in report.artifacts}
    for target in targets:
        one = by_key.get(f"{target}-{recipe}")
        if one is None:
            return f"the report does not hold {target}-{recipe}"
        if not one.parity.agreement.known:
            return f"{one.key}: {one.parity.agreement.reason}"
    return "the report does not compare the two"


def _on_devices(report: Report, key: str, expected: Expected) -> Iterator[Judged]:
    by_name = {device.name: device for device in report.devices}
    unit = Unit.MILLISECONDS if key == "max_p90_ms" else Unit.BYTES
    for device in expected.device_names(report):
        for name in expected.keys(report):
            if not expected.runs(device, name):
                continue
            one = _runtime(by_name.get(device), name)
            if one is None:
                yield Judged(
                    name, name, device, not_measured(unit, f"the report has no figures of it on {device}")
                )
            else:
                figure = one.latency_p90 if key == "max_p90_ms" else one.peak_memory
                yield Judged(name, name, device, figure, one.invalid if key == "max_p90_ms" else ())


def _runtime(device: DeviceReport | None, artifact: str) -> RuntimeFigures | None:
    if device is None:
        return None
    return next((one for one in device.figures if one.artifact == artifact), None)


def _complement(share: Measurement) -> Measurement:
    """Return 1 - share, with its interval."""
    if share.value is None:
        return share
    bound = share.interval
    return share.model_copy(
        update={
            "value": 1 - share.value,
            "interval": bound and Interval(low=1 - bound.high, high=1 - bound.low, method=bound.method),
        }
    )


def _shift(before: Measurement, after: Measurement) -> Measurement:
    """Return the size of the difference of two fractions in points, with the weaker of their provenances."""
    for one in (before, after):
        if not one.known:
            return not_measured(Unit.POINTS, one.reason or "")
    assert before.value is not None  # known
    assert after.value is not None
    weaker = min((before, after), key=lambda one: _WORST_FIRST.index(one.provenance))
    return Measurement(
        value=100 * abs(after.value - before.value),
        unit=Unit.POINTS,
        provenance=weaker.provenance,
        conditions=weaker.conditions,
        interval=None,
    )
