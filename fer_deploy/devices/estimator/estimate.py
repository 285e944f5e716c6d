"""The estimator's answer to one question: a latency with a band and the rows it rests on, or why there is none."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from fer_deploy.devices.estimator.bands import COVERAGE
from fer_deploy.devices.estimator.cpu import CpuModel, Point, Query, fit_cpu
from fer_deploy.devices.estimator.learn import calibrated_bands
from fer_deploy.devices.estimator.npu import NPU_RUNTIMES, refuse_npu
from fer_deploy.devices.estimator.rows import CalibrationRow, Precision, calibration_devices, calibration_rows
from fer_deploy.devices.profile_schema import DeviceProfile
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.costs import GraphCosts, graph_costs
from fer_deploy.targets.registry import target_classes

if TYPE_CHECKING:
    from fer_deploy.quantize.graph import Graph

#: What a runtime is called here to the family of kernels whose rows speak for it, beside the targets' own.
#: ONNX Runtime's own kernels (MLAS) are in no row.
CPU_RUNTIMES: Mapping[str, str] = MappingProxyType({"xnnpack": "XNNPACK", "tflite": "TFLite", "ncnn": "ncnn"})
_CITED = 6


@dataclass(frozen=True)
class Estimate:
    """An estimated latency at batch 1.

    Attributes:
        milliseconds: the point.
        low: lower end of the band, milliseconds.
        high: upper end of the band, milliseconds.
        coverage: share of published rows that bands made this way hold.
        basis: how near the calibration rows are.
        rows: how many rows it rests on.
        citations: sources of these rows.
        notes: what else the reader must know.
    """

    milliseconds: float
    low: float
    high: float
    coverage: float
    basis: str
    rows: int
    citations: tuple[str, ...]
    notes: tuple[str, ...] = ()


@functools.cache
def calibrated_cpu() -> CpuModel:
    """Return the model fitted on all shipped rows; takes some hundredths of a second."""
    return fit_cpu(calibration_rows())


def estimate_latency(
    profile: DeviceProfile, network: Graph | GraphCosts, precision: Precision, runtime: str, threads: int = 1
) -> Estimate | Unknown:
    """Return how long one inference takes on a device, or why that cannot be said.

    Args:
        profile: the device.
        network: a graph, or its costs already counted.
        precision: float or int8 (weights and activations).
        runtime: executorch, xnnpack, tflite or ncnn for the CPU; what has no rows, as onnx, or too
            few, as qnn and coreml for an NPU, is refused.
        threads: CPU threads, on the fastest cores.
    """
    costs = network if isinstance(network, GraphCosts) else graph_costs(network)
    if runtime in NPU_RUNTIMES:
        return refuse_npu(profile, costs, precision, runtime)
    families = _cpu_families()
    family = families.get(runtime)
    if family is None:
        return Unknown(
            reason=f"no published row was measured with {runtime}; the estimator knows {', '.join(families)}"
        )
    if threads < 1:
        return Unknown(reason=f"{threads} threads cannot run anything")
    device = next((one.name for one in calibration_devices() if profile.soc in one.socs), None)
    point = calibrated_cpu().predict(costs, Query(profile.cores, family, precision, threads, device))
    if isinstance(point, Unknown):
        return point
    return _banded(point, precision, runtime, family, profile.cores[0].microarchitecture)


def _cpu_families() -> dict[str, str]:
    """Return what a runtime is called, or the target that it is the runtime of, to its family of kernels."""
    of_targets = {
        kind.name: kind.kernel_family for kind in target_classes() if kind.kernel_family is not None
    }
    return {**of_targets, **CPU_RUNTIMES}


def _banded(point: Point, precision: Precision, runtime: str, family: str, core: str) -> Estimate:
    bands = calibrated_bands()
    width = bands.width_of(point, precision)
    trusted, weak = (bands.width(basis, precision) for basis in (point.basis, point.band_basis))
    notes = [f"{runtime} taken for {family}'s rows"] if runtime != family.lower() else []
    if point.basis == "other cores":
        notes.append(f"no row was measured on {core} cores: as fast as their pipes and clock say")
    if point.weakness:
        notes.append(_wider(weak - trusted, point.weakness))
    if point.beyond:
        notes.append(_wider(width - weak, point.beyond))
    return Estimate(
        point.milliseconds,
        point.milliseconds / math.exp(width),
        point.milliseconds * math.exp(width),
        COVERAGE,
        point.basis,
        len(point.rows),
        _citations(point.rows),
        tuple(notes),
    )


def _wider(by: float, why: str) -> str:
    """Return a note that a band is wider, and by how much where it is: the widest there is does not widen."""
    return f"wider band (x{math.exp(by):.2f}): {why}" if by > 0 else why


def _citations(rows: tuple[CalibrationRow, ...]) -> tuple[str, ...]:
    """Return one line per source with the numbers of its rows in the shipped file."""
    numbers: dict[str, list[int]] = {}
    for row in rows:
        numbers.setdefault(row.source, []).append(row.number)
    return tuple(f"{source} (rows {_ranges(found)})" for source, found in list(numbers.items())[:_CITED])


def _ranges(numbers: list[int]) -> str:
    """Return sorted numbers as ``3-5, 8``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
