"""How far a network lies beyond those that rows were measured on, and how far is too far."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer_deploy.devices.estimator.rows import CalibrationRow
from fer_deploy.devices.estimator.terms import Array, Family
from fer_deploy.devices.estimator.workload import TERMS, shares, workload
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.costs import GraphCosts

#: With fewer networks measured under the same conditions, the rows do not tell the device from the network: with
#: one or two, another network was predicted little better than from other conditions of the device. So many left-out
#: networks must also have tried how far beyond the rows an estimate may reach.
ENOUGH_NETWORKS = 3
#: A network most of whose work is of one kind of kernel, and more than this many times what any row's network has
#: of it, is refused: the kind's term is known from a small part of the rows' time only.
_SHARE_MARGIN, _MOST = 2.0, 0.5
#: A share of one kind of kernel that is larger than any row's counts as beyond the rows, if it is one to speak of.
_SOME = 0.1


@dataclass(frozen=True)
class Reach:
    """What networks a set of rows speaks for.

    Attributes:
        macs: multiply-accumulates of the smallest and the largest network.
        families: the same of the rows of one family of kernels.
        tried: how many times smaller, and larger, networks were left out than all that stayed; see :func:`tried`.
        shares: largest share of each kind of kernel in any network's work, float64 (7,).
    """

    macs: tuple[int, int]
    families: Mapping[Family, tuple[int, int]]
    tried: tuple[float, float]
    shares: Array

    def refusal(self, costs: GraphCosts) -> Unknown | None:
        """Return why a network is too far from all rows, or None."""
        low, high = self.macs[0] / self.tried[0], self.macs[1] * self.tried[1]
        if not low <= costs.macs <= high:
            return Unknown(
                reason=f"{costs.name} has {costs.macs / 1e6:.3g} M multiply-accumulates; the estimator is calibrated "
                f"for {low / 1e6:.3g} M to {high / 1e6:.4g} M"
            )
        for kind, share, most in self._shares(costs):
            if share > max(_SHARE_MARGIN * most, _MOST):
                return Unknown(
                    reason=f"{100 * share:.0f} % of the work of {costs.name} is {kind}, of which no calibration "
                    f"network has more than {100 * most:.0f} %"
                )
        return None

    def beyond(self, costs: GraphCosts, family: Family) -> tuple[float, str]:
        """Return how far a network is beyond those of a family's rows, as a log, and why; zero and empty within.

        The distance is the log of how many times it is smaller or larger than all of them, plus the log of how many
        times more of its work is of one kind of kernel than any row's. It is negative for smaller networks.
        """
        low, high = self.families[family]
        name = f"{family[0]} in {family[1]}"
        size, why, sign = 0.0, "", 1
        if costs.macs < low:
            size, why, sign = math.log(low / costs.macs), f"smaller than every network of {name}'s rows", -1
        elif costs.macs > high:
            size, why = math.log(costs.macs / high), f"larger than every network of {name}'s rows"
        mix = 0.0
        for kind, share, most in self._shares(costs):
            excess = math.log(share / max(most, _SOME)) if share > 0 else 0.0
            if excess > mix:
                mix, why = excess, why or f"more {kind} work than every network of the rows"
        if not why:
            return 0.0, ""
        return sign * (size + mix), f"{costs.name} {'is' if size else 'has'} {why}"

    def _shares(self, costs: GraphCosts) -> Iterable[tuple[str, float, float]]:
        return zip(TERMS, map(float, shares(workload(costs))), map(float, self.shares), strict=False)


def tried(rows: Sequence[CalibrationRow]) -> tuple[float, float]:
    """Return how many times smaller, and larger, than all that stayed networks can be left out.

    Of at least :data:`ENOUGH_NETWORKS` architectures, while half of the rows stay: without the rows below the middle
    one, the third smallest architecture left out is so many times smaller than those that stayed.
    """
    middle = statistics.median(row.macs for row in rows)
    names = {row.architecture for row in rows}
    down = sorted(middle / min(r.macs for r in rows if r.architecture == name) for name in names)
    up = sorted(max(r.macs for r in rows if r.architecture == name) / middle for name in names)
    at = -min(ENOUGH_NETWORKS, len(names))
    return max(1.0, down[at]), max(1.0, up[at])


def reach_of(rows: Sequence[CalibrationRow]) -> Reach:
    """Return what networks rows speak for."""

    def ends(some: Iterable[CalibrationRow]) -> tuple[int, int]:
        macs = [row.macs for row in some]
        return min(macs), max(macs)

    families = {(row.runtime, row.precision) for row in rows}
    networks = {id(row.costs): row.costs for row in rows}  # rows of one network share its costs
    return Reach(
        ends(rows),
        {one: ends(row for row in rows if (row.runtime, row.precision) == one) for one in families},
        tried(rows),
        np.max([shares(workload(costs)) for costs in networks.values()], axis=0),
    )
