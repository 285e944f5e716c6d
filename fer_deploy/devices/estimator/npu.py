"""NPU latency of a network, bracketed by published networks on the same chip; never for a CPU.

Too few networks with known operators are published per NPU to fit terms. But a network that multiplies less,
holds fewer weights, moves less data and has fewer operators than a published one is not slower, and the other
way round. The least of what is above it and the greatest of what is below it are the band.
"""

from __future__ import annotations

import csv
import functools
import io
import math
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
    """A band and the rows that are its ends."""

    milliseconds: float
    low: float
    high: float
    basis: str
    rows: int
    citations: tuple[str, ...]


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
    above: dict[str, float] = {}
    below: dict[str, float] = {}
    for row in rows:
        if row.costs is not None and _at_most(costs, row.costs):
            above[row.model] = max(above.get(row.model, 0.0), row.milliseconds)
        if row.costs is not None and _at_most(row.costs, costs):
            below[row.model] = min(below.get(row.model, math.inf), row.milliseconds)
    if not above:
        return Unknown(
            reason=f"{costs.name} is larger than every network published on this NPU in some respect"
        )
    ceiling = min(above, key=above.__getitem__)
    high = above[ceiling]
    if below:
        floor = max(below, key=below.__getitem__)
        low, what = below[floor], f"{floor}, which asks no more"
    else:
        calls = [row.milliseconds for row in rows if row.component == _NEARLY_NOTHING]
        if not calls:
            return Unknown(
                reason=f"{costs.name} is smaller than every network published on this NPU: at most {high:g} ms "
                f"({ceiling}), but nothing says how much less"
            )
        low, what = min(calls), f"{_NEARLY_NOTHING}, nearly nothing"
    low = min(low, high)
    used = [row for row in rows if row.model == ceiling or row.milliseconds == low]
    numbers = ", ".join(str(row.number) for row in used)
    sources = sorted({row.source for row in used})
    return Bracket(
        math.sqrt(low * high),
        low,
        high,
        f"between {what}, and {ceiling}, which asks no less",
        len(used),
        tuple(f"{source} (npu rows {numbers})" for source in sources),
    )


def predict_npu(
    profile: DeviceProfile, costs: GraphCosts, precision: Precision, runtime: str
) -> Bracket | Unknown:
    """Return the band on a profile's NPU, or why there is none."""
    if not any(runtime in one.delegates for one in profile.accelerators if one.kind == "npu"):
        return Unknown(reason=f"{profile.market_name} has no NPU that {runtime} drives")
    rows = [
        row
        for row in npu_rows()
        if (row.soc, row.runtime, row.precision) == (profile.soc, runtime, precision)
    ]
    if not rows:
        return Unknown(reason=f"no published row of {profile.soc}'s NPU in {precision}")
    return bracket(rows, costs)


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
