"""How fast a device is that no row was measured on: from its cores, clocks, threads and features."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fer_deploy.devices.estimator.networks import network
from fer_deploy.devices.estimator.rows import Precision
from fer_deploy.devices.estimator.terms import Terms
from fer_deploy.devices.estimator.workload import workload
from fer_deploy.devices.profile_schema import CoreCluster

#: 128-bit multiply-add pipes. Published: A57, A76 to A78 (en.wikichip.org/wiki/flops), X1 (en.wikipedia.org/wiki/
#: ARM_Cortex-X1: 4x128b). The others are starting values, corrected by a term that their rows are fitted with.
_PIPES: Mapping[str, float] = MappingProxyType(
    {
        "Cortex-A53": 0.5,
        "Cortex-A55": 0.5,
        "Cortex-A57": 1.0,
        "Cortex-A72": 1.0,
        "Cortex-A73": 1.0,
        "Kryo": 1.0,
        "Cortex-A75": 2.0,
        "Cortex-A76": 2.0,
        "Cortex-A78": 2.0,
        "Cortex-X1": 4.0,
        "Apple Cyclone": 2.0,
        "Apple Vortex": 2.0,
    }
)
#: Microarchitectures that have as many pipes as the one named, an earlier design. One that no row was measured on, of
#: these or of :data:`_PIPES`, is as fast as its pipes and clock say, with no term of its own: leaving whole kinds of
#: core out of the rows is how wrong that is (basis *other cores*), and was better than an earlier kind's term.
STANDS_FOR: Mapping[str, str] = MappingProxyType(
    {
        "Cortex-X2": "Cortex-X1",
        "Cortex-X3": "Cortex-X1",
        "Cortex-X4": "Cortex-X1",
        "Cortex-A710": "Cortex-A78",
        "Cortex-A715": "Cortex-A78",
        "Cortex-A720": "Cortex-A78",
        "Cortex-A725": "Cortex-A78",
        "Cortex-A510": "Cortex-A55",
        "Cortex-A520": "Cortex-A55",
    }
)
#: Strength of the pull of each effect to zero, in groups' worth of squared log error.
_PULL = 1.0
#: Cores and clocks may lie this far outside those of the rows.
MARGIN = 1.25


@functools.cache
def reference(threads: int, precision: Precision) -> NDArray[np.float64]:
    """The workload on which devices are compared: MobileNetV2 1.0 at 224 px, float64 (8,)."""
    costs = network("mobilenet_v2_1.0", 224)
    assert costs is not None
    return workload(costs, threads=threads, precision=precision)


def known_as(microarchitecture: str) -> str | None:
    """Return the microarchitecture of :data:`_PIPES` that has as many as another, or None."""
    name = STANDS_FOR.get(microarchitecture, microarchitecture)
    return name if name in _PIPES else None


def rating(clusters: Sequence[CoreCluster], threads: int) -> float | None:
    """Return GHz times pipes, summed over the ``threads`` fastest cores; None when one is not known."""
    total, left = 0.0, threads
    for cluster in clusters:
        name = known_as(cluster.microarchitecture)
        used = min(left, cluster.count)
        if used and (name is None or cluster.max_ghz is None):
            return None
        if used and name is not None and cluster.max_ghz is not None:
            total += used * cluster.max_ghz * _PIPES[name]
        left -= used
    return total if left == 0 else None


@dataclass(frozen=True)
class SpeedModel:
    """Log milliseconds of the reference workload as a sum of effects.

    Attributes:
        effects: name to value: runtime, precision, threads, microarchitecture, half-precision arithmetic.
        ratings: smallest and largest rating of one core among the rows.
        microarchitectures: fastest cores that rows were measured on.
    """

    effects: dict[str, float]
    ratings: tuple[float, float]
    microarchitectures: frozenset[str]

    def log_milliseconds(
        self, cores: Sequence[CoreCluster], runtime: str, precision: Precision, threads: int
    ) -> float:
        """Return the log of the reference workload's milliseconds on cores that :func:`rating` knows."""
        speed = rating(cores, threads)
        assert speed is not None
        names = _effects(cores, runtime, precision, threads)
        return sum(value * self.effects.get(name, 0.0) for name, value in names.items()) - math.log(speed)


def _effects(
    cores: Sequence[CoreCluster], runtime: str, precision: Precision, threads: int
) -> dict[str, float]:
    big = cores[0]
    modern = "dotprod" in big.features  # Armv8.2: half-precision arithmetic as well
    found = {
        "all": 1.0,
        f"runtime {runtime}": 1.0,
        f"core {big.microarchitecture}": 1.0,
        "threads": math.log(threads),
        "little cores": float(
            threads > sum(c.count for c in cores if c.microarchitecture == big.microarchitecture)
        ),
    }
    if precision == "int8":
        found |= {"int8": 1.0, f"int8 {runtime}": 1.0, "int8 threads": math.log(threads)}
        if modern:
            found["int8 dotprod"] = 1.0
    elif modern and runtime == "ncnn":
        found["half precision"] = 1.0  # ncnn computes in fp16 where the core can
    return found


def fit_speed(terms: Terms) -> SpeedModel:
    """Return the speed model of the groups of fitted terms."""
    inputs: list[dict[str, float]] = []
    targets: list[float] = []
    weights: list[float] = []
    ratings: list[float] = []
    bigs: set[str] = set()
    for group, fitted in terms.groups.items():
        _, runtime, _, threads, precision = group
        cores = terms.rows[group][0].device.cores
        speed, one = rating(cores, threads), rating(cores, 1)
        if speed is None or one is None:
            continue
        inputs.append(_effects(cores, runtime, precision, threads))
        targets.append(math.log(float(reference(threads, precision) @ fitted)) + math.log(speed))
        weights.append(min(1.0, len(terms.rows[group]) / 3))
        ratings.append(one)
        bigs.add(cores[0].microarchitecture)
    names = sorted({name for row in inputs for name in row})
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in inputs])
    weight = np.array(weights)[:, None]
    pulls = np.diag([1e-6 if name == "all" else _PULL for name in names])
    found = np.linalg.solve(
        matrix.T @ (weight * matrix) + pulls, matrix.T @ (weight[:, 0] * np.array(targets))
    )
    return SpeedModel(
        dict(zip(names, map(float, found), strict=True)), (min(ratings), max(ratings)), frozenset(bigs)
    )
