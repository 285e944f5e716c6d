"""The figures that limits are about, from a report; one that should be there and is not is never left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from fer_deploy.frozen import Unknown
from fer_deploy.gate.limit import ArtifactLimit, DatasetLimit, DeviceLimit, Limit, PairLimit
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.measurement import Measurement, measured, not_measured
from fer_deploy.report.schema import DeviceReport, Report
from fer_deploy.targets.registry import target_names

FLOAT_MODEL = "float model"
TEST_SET = "test set"


@dataclass(frozen=True)
class Expected:
    """What the configuration asks for; the gate misses what is not in the report.

    Attributes:
        artifacts: ``target-recipe`` keys; empty means what the report holds.
        devices: device names, likewise.
        targets_of: per device the targets that it runs at all; other artifacts are not missed on it.
        also_called: per device its other names: aliases, and what the configuration calls it.
    """

    artifacts: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    targets_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    also_called: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def keys(self, report: Report) -> tuple[str, ...]:
        """Return the artifacts that must have figures, the report's own first."""
        return tuple(dict.fromkeys((*(one.key for one in report.artifacts), *self.artifacts)))

    def device_names(self, report: Report) -> tuple[str, ...]:
        """Return the devices that must have figures, the report's own first."""
        return tuple(dict.fromkeys((*(one.name for one in report.devices), *self.devices)))

    def names(self, device: str | None) -> tuple[str, ...]:
        """Return every name of a device; none without one."""
        return () if device is None else (device, *self.also_called.get(device, ()))

    def every_name(self, report: Report) -> tuple[str, ...]:
        """Return every name of every device that must have figures."""
        return tuple(name for device in self.device_names(report) for name in self.names(device))

    def runs(self, device: str, artifact: str) -> bool:
        """Return whether the device runs the artifact's target; True when nothing is known of it."""
        targets = self.targets_of.get(device)
        return targets is None or artifact.partition("-")[0] in targets


@dataclass(frozen=True)
class Judged:
    """One figure to be held to a limit.

    Attributes:
        subject: artifact key, pair of artifacts, the float model or the test set.
        artifact: the key whose limits hold, or None.
        device: the device's name, or None.
        invalid: why the figure must not be used although it is there.
    """

    subject: str
    artifact: str | None
    device: str | None
    figure: Measurement
    invalid: tuple[str, ...] = ()


def judged(report: Report, kind: Limit, expected: Expected) -> Iterator[Judged]:
    """Yield every figure that the limit is about."""
    match kind:
        case ArtifactLimit():
            yield from _of_artifacts(report, kind, expected)
        case PairLimit():
            yield from _of_pairs(report, kind, expected)
        case DeviceLimit():
            yield from _on_devices(report, kind, expected)
        case DatasetLimit():
            yield Judged(TEST_SET, None, None, _of_dataset(report, kind))


def _of_dataset(report: Report, kind: DatasetLimit) -> Measurement:
    account = report.dataset.account
    if account is None:
        return not_measured(kind.unit, "the report was made before images were counted so: run again")
    count = kind.of(account)
    if isinstance(count, Unknown):
        return not_measured(kind.unit, count.reason)
    return measured(count, kind.unit, conditions={"of": report.dataset.name})


def _of_artifacts(report: Report, kind: ArtifactLimit, expected: Expected) -> Iterator[Judged]:
    if kind.of_float is not None:
        yield Judged(FLOAT_MODEL, None, None, kind.of_float(report))
    by_key = {one.key: one for one in report.artifacts}
    for name in expected.keys(report):
        one = by_key.get(name)
        if one is not None:
            figure = kind.of(report, one)
        else:
            why = "the configuration asks for this artifact and the report does not hold it"
            figure = not_measured(kind.unit, why)
        yield Judged(name, name, None, figure)


def _of_pairs(report: Report, kind: PairLimit, expected: Expected) -> Iterator[Judged]:
    """Yield the figure of every two targets of one recipe."""
    recipes: dict[str, list[str]] = {}
    for name in expected.keys(report):
        target, _, recipe = name.partition("-")
        recipes.setdefault(recipe, []).append(target)
    order = target_names()
    known = {(pair.recipe, frozenset((pair.first, pair.second))): pair for pair in report.between_targets}
    for recipe, targets in recipes.items():
        # a pair has one name, whichever artifact the report names first
        targets.sort(key=lambda name: (order.index(name) if name in order else len(order), name))
        for first, second in combinations(targets, 2):
            pair = known.get((recipe, frozenset((first, second))))
            figure = (
                kind.of(pair)
                if pair is not None
                else not_measured(kind.unit, _why_no_pair(report, (first, second), recipe))
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


def _on_devices(report: Report, kind: DeviceLimit, expected: Expected) -> Iterator[Judged]:
    by_name = {device.name: device for device in report.devices}
    for device in expected.device_names(report):
        for name in expected.keys(report):
            if not expected.runs(device, name):
                continue
            one = _runtime(by_name.get(device), name)
            if one is None:
                gap = not_measured(kind.unit, f"the report has no figures of it on {device}")
                yield Judged(name, name, device, gap)
            elif (figure := kind.of(one)) is not None:
                yield Judged(name, name, device, figure, one.invalid if kind.timed else ())


def _runtime(device: DeviceReport | None, artifact: str) -> RuntimeFigures | None:
    if device is None:
        return None
    return next((one for one in device.figures if one.artifact == artifact), None)
