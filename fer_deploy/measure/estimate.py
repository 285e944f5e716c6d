"""Estimated latency as Measurements: a band with the rows it rests on, or "not measured" with the reason."""

from __future__ import annotations

from fer_deploy.devices.estimator.estimate import estimate_latency
from fer_deploy.devices.estimator.rows import Precision
from fer_deploy.devices.profile import DeviceProfile
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
    return estimated_latency(profile, info.costs, precision, info.target, threads)
