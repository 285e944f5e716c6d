"""Estimated latency as Measurements: a band with the rows it rests on, or "not measured" with the reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import get_args

from fer_deploy.devices.estimator.estimate import estimate_latency
from fer_deploy.devices.estimator.rows import Precision
from fer_deploy.devices.profile import DeviceProfile, load_profiles
from fer_deploy.frozen import Unknown
from fer_deploy.measure.figures import RuntimeFigures
from fer_deploy.measure.measurement import Interval, Measurement, Unit, estimated, not_measured
from fer_deploy.quantize.costs import GraphCosts
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.targets.artifact import Artifact

#: Why an estimate is one figure only.
_ONE_FIGURE = "an estimate says what is typical; percentiles, loading and memory need the device"


def estimated_latency(
    profile: DeviceProfile, network: Graph | GraphCosts, precision: Precision, runtime: str, threads: int = 1
) -> Measurement:
    """Return the estimated latency of one inference on a device, in milliseconds, or why there is none.

    The arguments are those of :func:`~fer_deploy.devices.estimator.estimate.estimate_latency`.
    """
    found = estimate_latency(profile, network, precision, runtime, threads)
    if isinstance(found, Unknown):
        return not_measured(Unit.MILLISECONDS, f"no estimate: {found.reason}")
    conditions = {
        "device": profile.market_name,
        "threads": str(threads),
        "batch": "1",
        "statistic": "typical: the rows are means and medians",
        "basis": found.basis,
        "calibration": f"{found.rows} rows: {'; '.join(found.citations)}",
    }
    if found.notes:
        conditions["note"] = "; ".join(found.notes)
    return estimated(
        found.milliseconds,
        Unit.MILLISECONDS,
        Interval(
            low=found.low,
            high=found.high,
            method=f"{100 * found.coverage:.0f} % of published rows left out of the fit",
        ),
        conditions,
    )


def estimated_runtime(artifact: Artifact, profile: DeviceProfile, threads: int) -> RuntimeFigures:
    """Return an artifact's runtime figures on a device that is not at hand: an estimated typical latency.

    What stands as the 50th percentile is the estimate; everything else is "not measured".
    """
    rest = not_measured(Unit.MILLISECONDS, _ONE_FIGURE)
    return RuntimeFigures(
        artifact=artifact.key,
        runtime=artifact.info.runtime,
        threads=threads,
        latency_p50=_typical(artifact, profile, threads),
        latency_p90=rest,
        latency_p95=rest,
        latency_p99=rest,
        load=rest,
        first_inference=rest,
        peak_memory=not_measured(Unit.BYTES, _ONE_FIGURE),
    )


def _typical(artifact: Artifact, profile: DeviceProfile, threads: int) -> Measurement:
    info = artifact.info
    if info.target not in profile.targets:
        return not_measured(Unit.MILLISECONDS, f"{profile.market_name} does not run {info.target}")
    if info.costs is None:
        return not_measured(
            Unit.MILLISECONDS, "no estimate: the artifact holds no operator costs; export it again"
        )
    precision: Precision = "int8" if parse_recipe(info.recipe).precision == "w8a8" else "float"
    figure = estimated_latency(profile, info.costs, precision, info.target, threads)
    if figure.known:
        return figure
    nearest = _nearest_estimate(profile, info.costs, precision, info.target, threads)
    return not_measured(Unit.MILLISECONDS, f"{figure.reason}; {nearest}")


def _nearest_estimate(
    profile: DeviceProfile, costs: GraphCosts, precision: Precision, target: str, threads: int
) -> str:
    """Return which combination nearest to the one refused has an estimate, and that estimate."""
    for device, runtime, kind in _nearest_first(profile, precision, target):
        found = estimate_latency(device, costs, kind, runtime, threads)
        if not isinstance(found, Unknown):
            band = f"{found.milliseconds:.2g} ms [{found.low:.2g}, {found.high:.2g}]"
            return f"nearest that has one: {runtime} in {kind} on {device.market_name}, {band}"
    return f"no other target or precision has one for this network, nor has another {profile.os} device"


def _nearest_first(
    profile: DeviceProfile, precision: Precision, target: str
) -> Iterator[tuple[DeviceProfile, str, Precision]]:
    """Yield what else can be asked: other targets, then the other precision, then other devices of the same OS.

    Of the devices, that whose fastest core is clocked most alike comes first.
    """
    precisions = (precision, *(other for other in get_args(Precision) if other != precision))
    targets = (target, *(other for other in profile.targets if other != target))
    same = [(profile, runtime, kind) for kind in precisions for runtime in targets]
    yield from same[1:]
    others = [one for one in load_profiles() if one.os == profile.os and one.name != profile.name]
    others.sort(key=lambda one: abs(math.log(_clock(one) / _clock(profile))))
    for device in others:
        yield from ((device, runtime, precision) for runtime in targets if runtime in device.targets)


def _clock(profile: DeviceProfile) -> float:
    """Return the fastest core's clock in GHz; 1 where none is known."""
    return max((cluster.max_ghz or 1.0 for cluster in profile.cores), default=1.0)
