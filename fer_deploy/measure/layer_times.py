"""Where the time goes inside a network: the runtime's own profile beside each operator's work and data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from fer_deploy.devices.profile import DeviceProfile
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.base import Transport
from fer_deploy.devices.transports.open import open_transport
from fer_deploy.errors import DeviceError
from fer_deploy.frozen import Frozen, Unknown
from fer_deploy.measure.figures import LayerTime, RuntimeFigures
from fer_deploy.measure.measurement import Interval, Measurement, Provenance, Unit, measured, not_measured
from fer_deploy.progress import track
from fer_deploy.quantize.costs import Op
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import NOT_DELEGATED, Kernels, LayerTrace
from fer_deploy.targets.registry import get_target, target_class

#: Share of the runs left out at either end: enough for the few that another process interrupts.
_TRIMMED = 0.05
#: A profile's own protocol: shares of layers settle long before percentiles of the whole do.
_PROFILE_WARMUPS, _PROFILE_RUNS = 10, 100
_BELOW = "below the profiler's resolution of 1 microsecond"


class LayerProfile(Frozen):
    """All operators of one artifact on one device, in the order they ran."""

    artifact: str
    layers: tuple[LayerTime, ...]
    total: Measurement = Field(description="sum of the operators, without what the runtime does between them")
    not_delegated: tuple[str, ...]


def profile_layers(
    transport: Transport, artifact: Artifact, protocol: TimingProtocol, names: Sequence[str] = ()
) -> LayerProfile:
    """Return the per-layer profile of an artifact on a device.

    Profiling slows small operators down; the shares are what it is for, not the total. ``names`` are the float
    model's layers that multiply, in order; without them, or where they do not fit, layers are not named.

    Raises:
        DeviceError: the transport or the target gives no profile, or it cannot be read.
    """
    if transport.name == "emulated":
        raise DeviceError(f"{artifact.key} cannot be profiled under emulation: emulated time is not latency")
    traces = read_trace(artifact.info.target, transport.trace(artifact, protocol))
    return layer_table(artifact, traces, protocol, names)


def read_trace(target: str, data: bytes) -> tuple[LayerTrace, ...]:
    """Return the operators of a runtime's profile, in the order they ran.

    Args:
        target: whose runtime wrote it.
        data: the profile.

    Raises:
        DeviceError: the target has no profile that is understood here, or the profile is damaged or empty.
    """
    try:
        layers = get_target(target).read_trace(data)
    except Exception as error:  # foreign bytes: the parsers raise whatever they stumble over
        raise DeviceError(f"the per-layer profile of {target} cannot be read: {error}") from None
    if isinstance(layers, Unknown):
        raise DeviceError(layers.reason)
    if not layers:
        raise DeviceError(f"the per-layer profile of {target} names no operator")
    return layers


def with_layer_times(
    figures: Sequence[RuntimeFigures],
    artifacts: Sequence[Artifact],
    device: DeviceProfile,
    protocol: TimingProtocol,
    names: Sequence[str] = (),
) -> tuple[RuntimeFigures, ...]:
    """Return the figures of artifacts on a device with the time of each layer, or why it is not known.

    Args:
        figures: of the artifacts, in their order; those that were not timed there are not profiled either.
        artifacts: what was timed.
        device: where.
        protocol: of the whole artifacts; a profile takes its threads and cores, and fewer runs.
        names: the float model's layers that multiply, in order.
    """
    short = TimingProtocol(
        warmups=_PROFILE_WARMUPS,
        min_runs=_PROFILE_RUNS,
        min_seconds=0,
        max_seconds=protocol.max_seconds,
        threads=protocol.threads,
        cores=protocol.cores,
    )
    found = []
    for one, artifact in zip(figures, track(artifacts, f"profiling layers on {device.name}"), strict=True):
        if one.latency_p50.provenance is Provenance.MEASURED:
            try:
                layers = profile_layers(open_transport(device), artifact, short, names).layers
                found.append(one.model_copy(update={"layers": layers}))
                continue
            except DeviceError as error:
                reason = str(error)
        else:
            reason = one.latency_p50.reason or "an estimate says what the whole takes, not each layer"
        found.append(one.model_copy(update={"layers_reason": reason}))
    return tuple(found)


def layer_table(
    artifact: Artifact, traces: tuple[LayerTrace, ...], protocol: TimingProtocol, names: Sequence[str] = ()
) -> LayerProfile:
    """Return the table of a runtime's profile with the artifact's own operator costs; ``names`` of its layers."""
    precision = parse_recipe(artifact.info.recipe).precision
    element = 1 if precision == "w8a8" else 4
    times = [_typical(trace, protocol) for trace in traces]
    total = sum(times)
    kernels = target_class(artifact.info.target).kernels
    costs = _costs(artifact, traces, kernels)
    named = (
        dict(zip(costs, names, strict=True))
        if not isinstance(costs, str) and len(costs) == len(names)
        else {}
    )
    conditions = {
        "threads": str(protocol.threads),
        "statistic": "mean without the outer 5 % of the runs",
        "profiling": "on, which slows small operators",
    }
    layers = []
    for index, (trace, time) in enumerate(zip(traces, times, strict=True)):
        cost = costs if isinstance(costs, str) else costs.get(index)
        samples = np.array(trace.milliseconds[-protocol.min_runs :])
        low, high = np.quantile(samples, [0.25, 0.75])
        layers.append(
            LayerTime(
                name=trace.name,
                kind=trace.kind,
                layer=named.get(index),
                place=trace.place,
                delegated=trace.place != NOT_DELEGATED
                and not (precision == "w8a8" and trace.kind in kernels.floating),
                time=measured(
                    time,
                    Unit.MILLISECONDS,
                    Interval(low=float(low), high=float(high), method="middle half of the runs"),
                    {**conditions, "runs": len(samples)},
                )
                if time > 0
                else not_measured(Unit.MILLISECONDS, _BELOW),
                share=measured(time / total, Unit.FRACTION)
                if time > 0
                else not_measured(Unit.FRACTION, _BELOW),
                macs=_work(cost, Unit.COUNT, element),
                bytes=_work(cost, Unit.BYTES, element),
            )
        )
    return LayerProfile(
        artifact=artifact.key,
        layers=tuple(layers),
        total=measured(total, Unit.MILLISECONDS, conditions=conditions),
        not_delegated=tuple(layer.name for layer in layers if not layer.delegated),
    )


def _typical(trace: LayerTrace, protocol: TimingProtocol) -> float:
    """Return the trimmed mean in milliseconds: unlike the median it is finer than the profilers' microsecond."""
    samples = np.sort(np.array(trace.milliseconds[-protocol.min_runs :]))
    cut = int(len(samples) * _TRIMMED)
    return float(samples[cut : len(samples) - cut].mean()) if len(samples) else 0.0


def _costs(artifact: Artifact, traces: tuple[LayerTrace, ...], kernels: Kernels) -> dict[int, Op] | str:
    """Return trace index to operator, or why they cannot be brought together.

    Runtimes keep the graph's order; that every partner agrees with what else is known of it is checked.
    """
    if artifact.info.costs is None:
        return "the artifact holds no operator costs; export it again"
    multiplying = [index for index, trace in enumerate(traces) if kernels.multiplies(trace.kind)]
    ops = [op for op in artifact.info.costs.ops if op.macs > 0]
    if len(multiplying) != len(ops):
        return f"the runtime ran {len(multiplying)} multiplying operators, the graph has {len(ops)}"
    for index, op in zip(multiplying, ops, strict=True):
        trace = traces[index]
        if trace.outputs is not None and not _same_size(trace, op, kernels):
            return (
                f"{trace.name} writes {trace.outputs} elements where the graph's operator writes {op.outputs}"
            )
        # one weight, the normalisation of grey pictures, is dense and depthwise at once
        if kernels.is_depthwise(trace.kind) and op.kind in ("pointwise", "linear") and op.weights > 1:
            return f"{trace.name} is depthwise where the graph's operator is {op.kind}"
    return dict(zip(multiplying, ops, strict=True))


def _same_size(trace: LayerTrace, op: Op, kernels: Kernels) -> bool:
    if kernels.is_blocked(trace.name):
        return trace.outputs is not None and trace.outputs >= op.outputs
    return trace.outputs == op.outputs


def _work(cost: Op | str | None, unit: Unit, element: int) -> Measurement:
    if cost is None:
        return not_measured(unit, "the operator multiplies nothing; its data is not counted")
    if isinstance(cost, str):
        return not_measured(unit, cost)
    if unit is Unit.COUNT:
        return measured(cost.macs, unit)
    return measured(element * (cost.weights + cost.inputs + cost.outputs), unit)
