"""What published rows say of a network's latency on an NPU: not enough for an estimate; never anything of a CPU.

A handful of networks with known operators are published per NPU, all of them many times larger than a network for
faces. A network that multiplies less, holds fewer weights, moves less data and has fewer operators than a published
one is not slower, and the other way round: that brackets it, but with ends ten times apart and a middle that was far
off for networks left out. So a refusal says why, and what is known: that the network takes no longer than another.
"""

from __future__ import annotations

import csv
import functools
import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from fer_deploy.devices.estimator.networks import DATA, architecture, network
from fer_deploy.devices.estimator.rows import Precision
from fer_deploy.devices.profile_schema import DeviceProfile
from fer_deploy.frozen import Unknown
from fer_deploy.quantize.costs import GraphCosts

#: Runtimes whose rows are of NPUs: Qualcomm's Hexagon and Apple's Neural Engine.
NPU_RUNTIMES = ("qnn", "coreml")
#: A few small matrix products over 21 hand landmarks: what it costs to call the NPU at all.
_NEARLY_NOTHING = "CannedGestureClassifier"


@dataclass(frozen=True)
class NpuRow:
    """One published latency of a whole graph on an NPU.

    Attributes:
        number: 1-based row in the file, for citing.
        component: the part of the model that was timed.
        costs: the network's operators, or None when its layer table is not here.
    """

    number: int
    soc: str
    device: str
    model: str
    component: str
    runtime: str
    precision: Precision
    milliseconds: float
    source: str
    costs: GraphCosts | None

    @property
    def architecture(self) -> str:
        """What is left out together in validation."""
        return architecture(self.model) or self.model


@dataclass(frozen=True)
class Bracket:
    """What a network takes, between the published networks that ask no more and no less, and the middle of these."""

    milliseconds: float
    low: float
    high: float


@functools.cache
def npu_rows() -> tuple[NpuRow, ...]:
    """Return the shipped rows."""
    text = (DATA / "npu_rows.csv").read_text(encoding="utf-8")
    rows = []
    for number, cells in enumerate(csv.DictReader(io.StringIO(text)), start=1):
        precision: Precision = "int8" if cells["precision"] == "int8" else "float"
        side = cells["input"].split("x")[0]
        rows.append(
            NpuRow(
                number,
                cells["soc"],
                cells["device"],
                cells["model"],
                cells["component"],
                cells["runtime"],
                precision,
                float(cells["latency_ms"]),
                cells["source"],
                network(cells["model"], int(side)),
            )
        )
    return tuple(rows)


def _at_most(one: GraphCosts, other: GraphCosts) -> bool:
    """Return whether ``one`` asks no more than ``other`` in any respect."""

    def asked(costs: GraphCosts) -> tuple[int, int, int, int]:
        moved = sum(op.inputs + op.outputs for op in costs.ops)
        return (costs.macs, costs.weights, moved, len(costs.ops))

    return all(a <= b for a, b in zip(asked(one), asked(other), strict=True))


def bracket(rows: Sequence[NpuRow], costs: GraphCosts) -> Bracket | Unknown:
    """Return the band that rows of one chip, runtime and precision give, or why they give none.

    Without a smaller published network the lower end is what a call costs, where a row says that.
    """
    above = ceiling(rows, costs)
    if above is None:
        return Unknown(
            reason=f"{costs.name} is larger than every network published on this NPU in some respect"
        )
    below: dict[str, float] = {}
    for row in rows:
        if row.costs is not None and _at_most(row.costs, costs):
            below[row.model] = min(below.get(row.model, math.inf), row.milliseconds)
    calls = [row.milliseconds for row in rows if row.component == _NEARLY_NOTHING]
    if not below and not calls:
        return Unknown(
            reason=f"{costs.name} is smaller than every network published on this NPU: at most {above[0]:g} ms "
            f"({above[1]}), but nothing says how much less"
        )
    low = min(max(below.values()) if below else min(calls), above[0])
    return Bracket(math.sqrt(low * above[0]), low, above[0])


def ceiling(rows: Sequence[NpuRow], costs: GraphCosts) -> tuple[float, str] | None:
    """Return the least milliseconds of a published network that asks no less than ``costs``, and its name."""
    above: dict[str, float] = {}
    for row in rows:
        if row.costs is not None and _at_most(costs, row.costs):
            above[row.model] = max(above.get(row.model, 0.0), row.milliseconds)
    return min(((ms, name) for name, ms in above.items()), default=None)


def refuse_npu(profile: DeviceProfile, costs: GraphCosts, precision: Precision, runtime: str) -> Unknown:
    """Return why there is no estimate on a profile's NPU, and what the rows say all the same."""
    if not any(runtime in one.delegates for one in profile.accelerators if one.kind == "npu"):
        return Unknown(reason=f"{profile.market_name} has no NPU that {runtime} drives")
    rows = [
        row
        for row in npu_rows()
        if (row.soc, row.runtime, row.precision) == (profile.soc, runtime, precision)
    ]
    if not rows:
        return Unknown(reason=f"not measured: no published row of {profile.soc}'s NPU in {precision}")
    known = {row.architecture: row.costs.macs for row in rows if row.costs is not None}
    smallest = f", the smallest {min(known.values()) / 1e6:.0f} M multiply-accumulates" if known else ""
    return Unknown(
        reason=f"not measured, and published rows do not carry an estimate: {profile.soc}'s NPU has {len(known)} "
        f"networks with known operators in {precision}{smallest}; {costs.name} has {costs.macs / 1e6:.3g} M"
        f"{_shown()}; {_at_most_ms(rows, costs)}"
    )


def _at_most_ms(rows: Sequence[NpuRow], costs: GraphCosts) -> str:
    above = ceiling(rows, costs)
    if above is None:
        return "and every one of them is smaller in some respect"
    return f"what they say is at most {above[0]:g} ms, as {above[1]} asks no less in any respect"


@functools.cache
def _shown() -> str:
    """Return how wrong brackets were for networks left out."""
    found = [(one.row, one.found) for one in leave_one_model_out() if isinstance(one.found, Bracket)]
    if not found:
        return ""
    error = statistics.median(abs(band.milliseconds / row.milliseconds - 1) for row, band in found)
    apart = statistics.median(band.high / band.low for _, band in found)
    return (
        f" (left out in turn, published networks were {100 * error:.0f} % off the middle of their bracket, whose ends "
        f"are x{apart:.0f} apart)"
    )


@dataclass(frozen=True)
class NpuLeftOut:
    """A published row against the bracket of the other architectures on its chip."""

    row: NpuRow
    found: Bracket | Unknown


def leave_one_model_out() -> tuple[NpuLeftOut, ...]:
    """Return every row with known operators, bracketed by the rows of other architectures."""
    found = []
    for row in npu_rows():
        if row.costs is None:
            continue
        others = [
            other
            for other in npu_rows()
            if (other.soc, other.runtime, other.precision) == (row.soc, row.runtime, row.precision)
            and other.architecture != row.architecture
        ]
        found.append(
            NpuLeftOut(row, bracket(others, row.costs) if others else Unknown(reason="no other row"))
        )
    return tuple(found)
