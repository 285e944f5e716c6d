"""What an NPU's compiler estimates of its program, as Measurements: time at the device's clock, and memory."""

from __future__ import annotations

from fer_deploy.devices.profile import DeviceProfile
from fer_deploy.frozen import Unknown
from fer_deploy.measure.figures import CompiledFigures, RuntimeFigures
from fer_deploy.measure.measurement import NO_INTERVAL, Measurement, Unit, estimated, not_measured
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.inspection import CompilerEstimate
from fer_deploy.targets.registry import get_target, target_class, target_names

#: Why no interval stands beside a compiler's estimate.
_UNBOUNDED = (
    "not known: the compiler states none, and no timing on such hardware was at hand to hold it against"
)
_ONE_FIGURE = "an NPU's compiler estimates typical time and memory; percentiles and loading need the device"


def compiled_delegates(profile: DeviceProfile, target: str) -> tuple[str, ...]:
    """Return the NPUs of a device, by their delegates' names, that a target compiles for and estimates."""
    if target not in target_names():
        return ()
    named = profile.delegates.get(target, ())
    return tuple(one for one in named if target_class(target).npu_options(one) is not None)


def compiled_runtime(artifact: Artifact, profile: DeviceProfile) -> RuntimeFigures | None:
    """Return an artifact's figures on a device by its NPU's compiler; None where neither is about such an NPU."""
    target = artifact.info.target
    wanted = compiled_delegates(profile, target)
    found = get_target(target).estimate(artifact.file) if target in target_names() else None
    if found is None:
        if not wanted or set(wanted) != set(profile.delegates[target]):
            return None
        return missing_runtime(
            artifact,
            f"it is compiled for {artifact.info.runtime}, and {profile.market_name} runs what is compiled for "
            f"{' or '.join(wanted)}; export it with that delegate",
            for_npu=True,
        )
    if isinstance(found, Unknown):
        return missing_runtime(artifact, found.reason, for_npu=True)
    if found.accelerator not in wanted:
        return missing_runtime(
            artifact, f"it is compiled for {found.accelerator}, which {profile.market_name} has none of"
        )
    return _figures(artifact, profile, found)


def missing_runtime(artifact: Artifact, reason: str, for_npu: bool = False) -> RuntimeFigures:
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
        for_npu=for_npu,
    )


def _figures(artifact: Artifact, profile: DeviceProfile, found: CompilerEstimate) -> RuntimeFigures:
    by: dict[str, object] = {
        "by": found.compiler,
        "configuration": found.configuration,
        NO_INTERVAL: _UNBOUNDED,
    }

    def planned(size: int) -> Measurement:
        return estimated(size, Unit.BYTES, None, by)

    return missing_runtime(artifact, _ONE_FIGURE, for_npu=True).model_copy(
        update={
            "latency_p50": _typical(profile, found, by),
            "compiled": CompiledFigures(
                accelerator=found.accelerator,
                compiler=found.compiler,
                configuration=found.configuration,
                operators=found.operators,
                on_cpu=0,
                cycles=estimated(found.cycles, Unit.COUNT, None, by),
                sram=planned(found.sram_bytes),
                flash=planned(found.flash_bytes),
                dram=planned(found.dram_bytes),
                sram_of=profile.sram_bytes,
                flash_of=profile.flash_bytes,
                parity=artifact.info.lowering.get("parity_steps"),
            ),
        }
    )


def _typical(profile: DeviceProfile, found: CompilerEstimate, by: dict[str, object]) -> Measurement:
    unit = next(one for one in profile.accelerators if found.accelerator in one.delegates)
    cycles = f"{found.cycles:,} cycles, estimated by {found.compiler} for {found.configuration}"
    if unit.clock_mhz is None:
        return not_measured(
            Unit.MILLISECONDS, f"{cycles}; no public source was found for the clock of its {unit.name}"
        )
    note = "no interval is known: " + _UNBOUNDED.partition(": ")[2]
    if unit.clock_mhz != found.clock_mhz:
        note += (
            f"; the cycles are of memories that are as fast beside the NPU's clock as in that configuration "
            f"({found.clock_mhz:g} MHz)"
        )
    return estimated(
        found.milliseconds(unit.clock_mhz),
        Unit.MILLISECONDS,
        None,
        {
            **by,
            "device": profile.market_name,
            "clock": f"{unit.clock_mhz:g} MHz",
            "batch": "1",
            "basis": f"{cycles}, at {unit.clock_mhz:g} MHz",
            "note": note,
        },
    )
