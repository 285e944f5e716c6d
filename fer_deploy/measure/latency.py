"""Latency, load time and peak memory of an artifact on a device, as Measurements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fer_deploy.devices.profile import DeviceProfile
from fer_deploy.devices.timing import Contention, DeviceState, TimingProtocol, TimingResult
from fer_deploy.devices.transports.base import Transport, time_in_turns
from fer_deploy.devices.transports.open import open_transport
from fer_deploy.devices.transports.taken import TakenTransport
from fer_deploy.errors import DeviceError
from fer_deploy.measure.compiled import compiled_runtime, missing_runtime
from fer_deploy.measure.estimate import estimated_runtime
from fer_deploy.measure.figures import MAX_RAW_SAMPLES, RuntimeFigures
from fer_deploy.measure.measurement import NOT_ASKED, Measurement, Unit, measured, not_measured
from fer_deploy.measure.statistics import quantile_interval
from fer_deploy.measure.validity import judge
from fer_deploy.targets.artifact import Artifact

#: Transports whose device is this machine: what is missing can be added here, so nothing is estimated.
_HERE = ("host", "browser", "emulated")


def runtime_figures(
    artifact: Artifact, device: DeviceProfile, protocol: TimingProtocol, address: str | None = None
) -> RuntimeFigures:
    """Return how fast an artifact is on a device: measured there, estimated, or "not measured" with the reason.

    An estimate is given only where the device is not at hand. A device that is there and fails, or lacks what runs
    the artifact, is "not measured" with what went wrong, so that the figures of other artifacts are kept.
    """
    return all_runtime_figures((artifact,), device, protocol, address)[0]


def all_runtime_figures(
    artifacts: Sequence[Artifact],
    device: DeviceProfile,
    protocol: TimingProtocol,
    address: str | None = None,
    taken: TakenTransport | None = None,
) -> tuple[RuntimeFigures, ...]:
    """Return :func:`runtime_figures` of several artifacts, timed in turns so that drift meets all alike.

    With ``taken`` they are what was taken on the device earlier; what was not is estimated.
    """
    figures: dict[int, RuntimeFigures] = {}
    timed: list[int] = []
    transport: Transport | None = None
    unreachable: str | None = None
    try:
        transport = taken or open_transport(device, address)
        unreachable = transport.obstacle()
    except DeviceError as error:
        unreachable = str(error)
    for index, artifact in enumerate(artifacts):
        target = artifact.info.target
        if target not in device.targets:
            figures[index] = missing_runtime(artifact, f"{device.market_name} does not run {target}")
            continue
        if device.transport not in _HERE and (compiled := compiled_runtime(artifact, device)) is not None:
            figures[index] = compiled
            continue
        obstacle = unreachable or (transport.obstacle_for(artifact) if transport else None)
        if obstacle is None:
            timed.append(index)
        elif device.transport in _HERE or (transport is not None and transport.live and unreachable is None):
            figures[index] = missing_runtime(artifact, obstacle)
        else:
            figures[index] = _because(estimated_runtime(artifact, device, protocol.threads), obstacle)
    if transport is not None and timed:
        results = time_in_turns(transport, [artifacts[index] for index in timed], protocol)
        for index, result in zip(timed, results, strict=True):
            artifact = artifacts[index]
            figures[index] = (
                missing_runtime(artifact, str(result))
                if isinstance(result, DeviceError)
                else _figures(artifact, result, protocol)
            )
    return tuple(figures[index] for index in range(len(artifacts)))


def attached_device(device: DeviceProfile, address: str | None = None) -> str | None:
    """Return what is attached as the device or could be, in words; None: nothing is, or it is this machine."""
    try:
        return open_transport(device, address).there()
    except DeviceError:
        return None


def _because(figures: RuntimeFigures, obstacle: str) -> RuntimeFigures:
    """Return estimated figures that say why the device was not asked."""
    typical = figures.latency_p50
    if not typical.known:
        reason = f"{obstacle}; {typical.reason}"
        return figures.model_copy(update={"latency_p50": not_measured(Unit.MILLISECONDS, reason)})
    conditions = {**typical.conditions, NOT_ASKED: obstacle}
    return figures.model_copy(update={"latency_p50": typical.model_copy(update={"conditions": conditions})})


def _figures(artifact: Artifact, result: TimingResult, protocol: TimingProtocol) -> RuntimeFigures:
    samples = np.array(result.samples_ms)
    if len(samples) == 0:
        return missing_runtime(artifact, "the runner took no sample")
    validity = judge(result, protocol)
    conditions: dict[str, object] = {
        "verdict": validity,
        "threads": result.threads or "not known: the runtime chooses",
        "cores": "not known" if result.cores is None else ",".join(str(core) for core in result.cores),
        "pinned": "yes" if protocol.cores else "no",
        "warm-ups": protocol.warmups,
        "runs": len(samples),
        "batch": 1,
        "process": "fresh" if result.rounds == 1 else f"{result.rounds} fresh ones, in turns with the others",
        **result.around,
        **_contention(result.contention),
        **_state("before", result.before),
        **_state("after", result.after),
    }

    def percentile(quantile: float) -> Measurement:
        return measured(
            float(np.quantile(samples, quantile)),
            Unit.MILLISECONDS,
            quantile_interval(samples, quantile),
            conditions,
            result.samples_ms[:MAX_RAW_SAMPLES] if quantile == 0.5 else (),
        )

    once: dict[str, object] = {"threads": conditions["threads"], "runs": result.rounds, "process": "fresh"}
    if result.rounds > 1:
        once["statistic"] = "median"
    return RuntimeFigures(
        artifact=artifact.key,
        runtime=f"{artifact.info.runtime} {result.runtime_version}",
        threads=result.threads,
        latency_p50=percentile(0.50),
        latency_p90=percentile(0.90),
        latency_p95=percentile(0.95),
        latency_p99=percentile(0.99),
        load=measured(result.load_ms, Unit.MILLISECONDS, conditions=once),
        first_inference=measured(result.first_ms, Unit.MILLISECONDS, conditions=once),
        peak_memory=(
            measured(result.peak_memory_bytes, Unit.BYTES, conditions={**once, "above": "the bare runtime"})
            if result.peak_memory_bytes is not None
            else not_measured(Unit.BYTES, result.peak_memory_reason or "the runner reported none")
        ),
        invalid=validity.reasons,
    )


def _contention(around: Contention | None) -> dict[str, object]:
    """Return what else ran, as conditions; what is not known says why."""
    if around is None:
        return {"other work": "not known: this runner cannot tell"}
    figures = {
        "waited for a processor": (around.wait_share, "wait_share", "{:.1%} of the time"),
        "other threads ready to run": (around.others_running, "others_running", "{:.2f} on average"),
        "taken by the hypervisor": (around.steal_share, "steal_share", "{:.1%}"),
    }
    return {
        text: f"not known: {around.missing.get(name, 'not asked')}" if value is None else form.format(value)
        for text, (value, name, form) in figures.items()
    }


def _state(when: str, state: DeviceState | None) -> dict[str, object]:
    """Return a device's state as conditions; what is missing says why."""
    if state is None:
        return {}
    values = state.model_dump(exclude={"missing"})
    return {
        f"{name.replace('_', ' ')} {when}": f"not known: {state.missing.get(name, 'not asked')}"
        if value is None
        else value
        for name, value in values.items()
    }
