"""Latency, load time and peak memory of an artifact on a device, as Measurements."""

from __future__ import annotations

import numpy as np

from fer_deploy.devices.host import time_on_host
from fer_deploy.devices.profile import DeviceProfile
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.measure.estimate import estimated_runtime
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.measurement import Measurement, Unit, measured, not_measured
from fer_deploy.measure.statistics import quantile_interval
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.registry import get_target

#: Raw samples kept in the report: the first ones of a run, enough to redo any percentile.
MAX_RAW_SAMPLES = 2000


def runtime_figures(artifact: Artifact, device: DeviceProfile, protocol: TimingProtocol) -> RuntimeFigures:
    """Return how fast an artifact is on a device: measured there, estimated, or "not measured" with the reason."""
    target = get_target(artifact.info.target)
    if artifact.info.target not in device.targets:
        return missing_runtime(artifact, f"{device.market_name} does not run {artifact.info.target}")
    if device.transport != "host":
        return estimated_runtime(artifact, device, protocol.threads)
    obstacle = target.timing_obstacle()
    if obstacle:
        return missing_runtime(artifact, obstacle)
    return _figures(artifact, time_on_host(artifact, protocol), protocol)


def _figures(artifact: Artifact, result: TimingResult, protocol: TimingProtocol) -> RuntimeFigures:
    samples = np.array(result.samples_ms)
    conditions = {
        "threads": result.threads,
        "warm-ups": protocol.warmups,
        "runs": len(samples),
        "batch": 1,
        "process": "fresh",
    }

    def percentile(quantile: float) -> Measurement:
        return measured(
            float(np.quantile(samples, quantile)),
            Unit.MILLISECONDS,
            quantile_interval(samples, quantile),
            conditions,
            result.samples_ms[:MAX_RAW_SAMPLES] if quantile == 0.5 else (),
        )

    once = {"threads": result.threads, "runs": 1, "process": "fresh"}
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
    )


def missing_runtime(artifact: Artifact, reason: str) -> RuntimeFigures:
    """Return runtime figures that are all "not measured" for one reason."""
    time = not_measured(Unit.MILLISECONDS, reason)
    return RuntimeFigures(
        artifact=artifact.key,
        runtime=artifact.info.runtime,
        threads=None,
        latency_p50=time,
        latency_p90=time,
        latency_p95=time,
        latency_p99=time,
        load=time,
        first_inference=time,
        peak_memory=not_measured(Unit.BYTES, reason),
    )
