"""``check --against``: the artifacts of a report timed beside those of an earlier run, on the devices at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fer_deploy.devices.choice import chosen
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.base import Transport
from fer_deploy.devices.transports.open import open_transport
from fer_deploy.errors import ArtifactError, ConfigError, DeviceError
from fer_deploy.frozen import Unknown
from fer_deploy.gate.integrity import folder_of
from fer_deploy.gate.slowdown import slowdown_verdict
from fer_deploy.gate.verdicts import Verdict
from fer_deploy.measure.measurement import Measurement
from fer_deploy.measure.slowdown import ROUND, Slowdown, time_against
from fer_deploy.report.schema import ArtifactReport, Report, load_report
from fer_deploy.targets.artifact import Artifact, open_artifact


def verdicts_against(report: Report, path: Path, earlier_path: Path, limit: float) -> tuple[Verdict, ...]:
    """Return a verdict on how much slower each artifact is on each device of a report.

    Args:
        report: the report in ``path``, its artifacts beside it.
        path: where it lies.
        earlier_path: ``report.json`` of an earlier run, or the folder with it; its artifacts lie beside it.
        limit: per cent from which an artifact is slower.

    Raises:
        ArtifactError: the earlier report cannot be read.
        ConfigError: it is the report itself.
    """
    if earlier_path.is_dir():
        earlier_path = earlier_path / path.name
    if earlier_path.resolve() == path.resolve():
        raise ConfigError(
            f"--against names {earlier_path}, the very report that is checked; name an earlier run's"
        )
    earlier = load_report(earlier_path)
    found = tuple(_on_devices(report, path, earlier, earlier_path, limit))
    if not found:
        reason = Unknown(reason="the report holds no timing of any artifact, so none was compared")
        return (slowdown_verdict("every artifact", "any device", reason, limit),)
    return found


def _on_devices(
    report: Report, path: Path, earlier: Report, earlier_path: Path, limit: float
) -> Iterator[Verdict]:
    before = {one.key: one for one in earlier.artifacts}
    for device in report.devices:
        transport = _transport(device.name)
        for figures in device.figures:
            later = next((one for one in report.artifacts if one.key == figures.artifact), None)
            if later is None:
                continue
            found: Slowdown | Unknown
            if not figures.latency_p50.known:
                found = Unknown(reason=figures.latency_p50.reason or "it was not timed there")
            elif later.key not in before:
                found = Unknown(reason=f"{earlier_path} holds no {later.key} to compare it with")
            elif isinstance(transport, Unknown):
                found = transport
            else:
                protocol = _protocol(figures.latency_p50)
                found = _timed(transport, (before[later.key], earlier_path), (later, path), limit, protocol)
            yield slowdown_verdict(later.key, device.name, found, limit)


def _transport(device: str) -> Transport | Unknown:
    try:
        transport = open_transport(chosen(device).profile, None)
        obstacle = transport.obstacle()
    except DeviceError as error:
        return Unknown(reason=str(error))
    return transport if obstacle is None else Unknown(reason=obstacle)


def _protocol(latency: Measurement) -> TimingProtocol:
    """Return a round's protocol, with as many threads as the report's timing had."""
    threads = latency.conditions.get("threads", "")
    return ROUND.model_copy(update={"threads": int(threads)}) if threads.isdigit() else ROUND


def _timed(
    transport: Transport,
    earlier: tuple[ArtifactReport, Path],
    later: tuple[ArtifactReport, Path],
    limit: float,
    protocol: TimingProtocol,
) -> Slowdown | Unknown:
    try:
        return time_against(transport, _opened(*earlier), _opened(*later), limit / 100, protocol)
    except (ArtifactError, DeviceError) as error:
        return Unknown(reason=str(error))


def _opened(one: ArtifactReport, path: Path) -> Artifact:
    """Return the artifact that a report is about.

    Raises:
        ArtifactError: it is not there, or another.
    """
    artifact = open_artifact(folder_of(one, path))
    if artifact.info.sha256 != one.sha256:
        raise ArtifactError(f"{artifact.file} is not the file that {path} is about; run again")
    return artifact
