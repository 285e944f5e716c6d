"""The ways onto a device's processors, and what can be known of each without the device."""

from __future__ import annotations

from pydantic import Field

from fer_deploy.devices.estimator.estimate import CPU_RUNTIMES
from fer_deploy.devices.profile_schema import DeviceProfile
from fer_deploy.devices.transports.htp import EMULATION, hexagon_of
from fer_deploy.frozen import Frozen
from fer_deploy.targets.base import Runner
from fer_deploy.targets.registry import target_class, target_names

_HERE = ("host", "browser")
_KINDS = {"npu": "NPU", "gpu": "GPU"}


class ProcessorPath(Frozen):
    """One way for a target's artifacts onto one processor of a device."""

    target: str
    delegate: str = Field(description="what the graph is handed to: xnnpack, cpu, qnn, coreml, ...")
    processor: str = Field(description="CPU, or the accelerator's name")
    answers: str = Field(description="how its answers can be had: measured alone, or emulated and how")
    latency: str = Field(description="how its latency can be had: measured alone, or estimated")


def processor_paths(profile: DeviceProfile) -> tuple[ProcessorPath, ...]:
    """Return the ways that a profile names, by target and delegate."""
    return tuple(
        ProcessorPath(
            target=target,
            delegate=delegate,
            processor=_processor(profile, delegate),
            answers=_answers(profile, target, delegate),
            latency=_latency(profile, target, delegate),
        )
        for target in profile.targets
        for delegate in profile.delegates.get(target, ())
    )


def _processor(profile: DeviceProfile, delegate: str) -> str:
    driven = [f"{_KINDS[one.kind]} {one.name}" for one in profile.accelerators if delegate in one.delegates]
    return " or ".join(driven) or "CPU"


def _answers(profile: DeviceProfile, target: str, delegate: str) -> str:
    if profile.transport in _HERE:
        return "measured here"
    if target not in target_names():
        return "measured on it alone"
    kind = target_class(target)
    if _processor(profile, delegate) == "CPU":
        runs_emulated = bool(kind.runners & {Runner.CPP, Runner.PYTHON})
        return (
            f"emulated: qemu, {profile.qemu_cpu}"
            if profile.qemu_cpu and runs_emulated
            else "measured on it alone"
        )
    if kind.npu_options(delegate) is not None:
        return "emulated: the graph that its compiler is given"
    hexagon = hexagon_of(profile)
    if delegate == "qnn" and Runner.HTP in kind.runners and hexagon is not None:
        return f"emulated: {EMULATION}"
    if not kind.everywhere:
        return "emulated: the graph's own arithmetic, as the CPU would compute it"
    return "measured on it alone"


def _latency(profile: DeviceProfile, target: str, delegate: str) -> str:
    if profile.transport in _HERE:
        return "measured here"
    if target in target_names() and target_class(target).npu_options(delegate) is not None:
        return "estimated by its compiler, without an interval"
    if _processor(profile, delegate) != "CPU" or target not in target_names():
        return "measured on it alone"
    has_rows = delegate in CPU_RUNTIMES or target_class(target).kernel_family is not None
    return "estimated where its cores are known" if has_rows and profile.cores else "measured on it alone"
