"""The tables of docs/estimator.md that take seconds: what is in use, and rows that were never in the fit.

`python benchmarks/estimator_validation.py --quick --write` writes them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_deploy.devices.estimator.bands import Bands
from fer_deploy.devices.estimator.cpu import BASES, CpuModel, Point, query_of
from fer_deploy.devices.estimator.estimate import calibrated_cpu
from fer_deploy.devices.estimator.learn import beyond_the_rows, calibrated_bands, fit_bands
from fer_deploy.devices.estimator.left_out import Key, LeftOut
from fer_deploy.devices.estimator.networks import DATA
from fer_deploy.devices.estimator.npu import NPU_RUNTIMES, leave_one_model_out, npu_rows
from fer_deploy.devices.estimator.rows import CalibrationRow, calibration_rows, read_devices, read_rows
from fer_deploy.frozen import Unknown

_TESTS = Path(__file__).resolve().parents[1] / "tests" / "devices" / "estimator"
HEAD = (
    "rows left out",
    "rows",
    "answered",
    "median error",
    "85th percentile",
    "inside the band",
    "band, median",
)


@dataclass(frozen=True)
class Scored:
    row: CalibrationRow
    point: Point | None
    inside: bool
    width: float
    reason: str = ""

    @property
    def error(self) -> float:
        assert self.point is not None
        return abs(self.point.milliseconds / self.row.milliseconds - 1)


def score(model: CpuModel, bands: Bands | None, rows: Sequence[CalibrationRow]) -> list[Scored]:
    """Score rows; without ``bands``, with those learnt from the rows that the model was fitted on."""
    points = [model.predict(row.costs, query_of(row)) for row in rows]
    if bands is None:
        known = [point for point in points if isinstance(point, Point)]
        furthest = max((BASES.index(point.band_basis) for point in known), default=-1)
        learnt = fit_bands(model.rows, bases=BASES[: furthest + 1])
        bands = learnt.model_copy(update={"growth": calibrated_bands().growth})
    found = []
    for row, point in zip(rows, points, strict=True):
        if isinstance(point, Unknown):
            found.append(Scored(row, None, False, math.nan, point.reason))
            continue
        width = bands.width_of(point, row.precision)
        log_error = abs(math.log(point.milliseconds / row.milliseconds))
        found.append(Scored(row, point, log_error <= width, width))
    return found


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    out += ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(out)


def cells(name: str, scored: Sequence[Scored]) -> list[str]:
    known = [one for one in scored if one.point is not None]
    if not known:
        return [name, str(len(scored)), "0", "–", "–", "–", "–"]
    errors = [one.error for one in known]
    inside = sum(one.inside for one in known)
    return [
        name,
        str(len(scored)),
        str(len(known)),
        f"{100 * statistics.median(errors):.1f} %",
        f"{100 * sorted(errors)[math.ceil(0.85 * len(errors)) - 1]:.0f} %",
        f"{100 * inside / len(known):.1f} %",
        f"x {statistics.median(math.exp(one.width) for one in known):.2f}",
    ]


def split(name: str, scored: Sequence[Scored]) -> list[list[str]]:
    lines = [cells(f"**{name}**", scored)]
    for precision in ("float", "int8"):
        lines.append(cells(f"… {precision}", [one for one in scored if one.row.precision == precision]))
    return lines


def by(scored: Sequence[Scored], name: str, key: Key) -> str:
    values = sorted({key(one.row) for one in scored}, key=str)
    lines = [cells(str(value), [one for one in scored if key(one.row) == value]) for value in values]
    return table([name, *HEAD[1:]], lines)


def held_out_rows() -> tuple[CalibrationRow, ...]:
    """Return the published rows that are in no fit, the boards that no fitted row is of among them."""
    devices = read_devices(_TESTS / "held_out_devices.toml")
    return read_rows(_TESTS / "held_out_rows.csv", devices)[0]


def held_out_table() -> str:
    scored = score(calibrated_cpu(), calibrated_bands(), held_out_rows())
    lines = split("all", scored)
    for basis in BASES:
        here = [one for one in scored if one.point is not None and one.point.basis == basis]
        if here:
            lines += split(basis, here)
    for name, sign in (("smaller than the rows' networks", -1), ("larger, or of another mix", 1)):
        here = [one for one in scored if one.point is not None and one.point.distance * sign > 0]
        lines.append(cells(f"**{name}**", here))
    fits = table(["rows never in the fit", *HEAD[1:]], lines)
    other = [one for one in scored if one.point is None or one.point.basis in BASES[2:]]
    boards = by(other, "board never in the fit", lambda row: f"{row.device.name}, {row.runtime}")
    return f"{fits}\n\n{boards}\n\n{_boards_apart()}"


def _boards_apart() -> str:
    """Say how far the figures of two boards with one SoC are apart."""
    boards: dict[str, dict[str, float]] = {
        "CPU big cores": {},
        "CPU all": {},
    }  # each source's words for one thread
    for row in held_out_rows():
        if row.device.name == "rk3588" and row.threads == 1:
            boards[row.processor][row.model] = row.milliseconds
    slow, fast = boards.values()
    apart = statistics.median(slow[name] / fast[name] for name in slow)
    return (
        f"Of the two RK3588 boards one is {apart:.1f} times slower than the other (median over {len(slow)} networks, "
        "one thread): no estimator that knows their cores only can be nearer than that."
    )


def bands_table(bands: Bands) -> str:
    lines = [
        [
            one.basis,
            one.precision,
            f"x {math.exp(one.log_width):.2f}",
            f"x {math.exp(bands.width(one.basis, one.precision)):.2f}",
            str(one.rows),
            str(one.clusters),
        ]
        for one in bands.bands
    ]
    head = [
        "basis",
        "precision",
        "learnt",
        "in use",
        "left-out rows it was learnt from",
        "of networks or devices",
    ]
    more = [
        [
            "smaller" if one.smaller else "larger, or of another mix",
            f"x {math.exp(one.log_per_distance):.2f}",
            str(one.rows),
            str(one.clusters),
        ]
        for one in bands.growth
    ]
    reach = calibrated_cpu().reach
    low, high = reach.macs[0] / reach.tried[0], reach.macs[1] * reach.tried[1]
    return "\n\n".join(
        [
            table(head, lines),
            table(
                ["a network beyond the rows", "band widens, every e-fold", "left-out rows", "of networks"],
                more,
            ),
            f"Rows have networks of {reach.macs[0] / 1e6:.1f} M to {reach.macs[1] / 1e6:.0f} M multiply-accumulates; "
            f"three or more left-out architectures were {reach.tried[0]:.1f} times smaller, or {reach.tried[1]:.1f} "
            f"times larger, than all that stayed: {low / 1e6:.2f} M to {high / 1e6:.0f} M are answered.",
        ]
    )


_FOLDS = ((0.0, 1.0), (1.0, 2.0), (2.0, math.inf))


def beyond_table(bands: Bands, beyond: Sequence[LeftOut]) -> str:
    within = bands.model_copy(update={"growth": ()})
    lines = []
    for name, sign in (("smaller", -1), ("larger, or of another mix", 1)):
        for low, high in _FOLDS:
            here = [one for one in beyond if low < sign * one.point.distance <= high]
            errors = [abs(math.exp(one.log_error) - 1) for one in here]

            def share(bands: Bands, here: Sequence[LeftOut] = here) -> str:
                inside = sum(
                    abs(one.log_error) <= bands.width_of(one.point, one.row.precision) for one in here
                )
                return f"{100 * inside / len(here):.1f} %"

            widths = [math.exp(bands.width_of(one.point, one.row.precision)) for one in here]
            lines.append(
                [
                    name,
                    f"{low:.0f} to {high:.0f}" if high < math.inf else f"above {low:.0f}",
                    str(len(here)),
                    str(len({one.row.architecture for one in here})),
                    f"{100 * statistics.median(errors):.1f} %",
                    share(within),
                    share(bands),
                    f"x {statistics.median(widths):.2f}",
                ]
            )
    head = ["network", "e-folds beyond", "rows", "networks", "median error"]
    return table([*head, "inside, not widened", "inside", "band, median"], lines)


def beyond_found() -> list[LeftOut]:
    return beyond_the_rows(calibration_rows())


def npu_table() -> str:
    found = leave_one_model_out()
    lines = []
    for runtime in NPU_RUNTIMES:
        here = [one for one in found if one.row.runtime == runtime]
        known = [(one.row, one.found) for one in here if not isinstance(one.found, Unknown)]
        networks = {
            row.architecture: row.costs.macs for row in npu_rows() if row.runtime == runtime and row.costs
        }
        smallest = f"{min(networks.values()) / 1e6:.0f} M"
        if not known:
            lines.append([runtime, str(len(here)), str(len(networks)), smallest, "0", "–", "–", "–"])
            continue
        errors = [abs(band.milliseconds / row.milliseconds - 1) for row, band in known]
        inside = sum(band.low <= row.milliseconds <= band.high for row, band in known)
        apart = statistics.median(band.high / band.low for _, band in known)
        lines.append(
            [
                runtime,
                str(len(here)),
                str(len(networks)),
                smallest,
                str(len(known)),
                f"{100 * statistics.median(errors):.0f} %",
                f"{100 * inside / len(known):.1f} %",
                f"x {apart:.1f}",
            ]
        )
    head = [
        "NPU runtime",
        "rows",
        "networks",
        "smallest",
        "bracketed",
        "middle off",
        "inside",
        "ends apart, median",
    ]
    return table(head, lines)


def rows_table() -> str:
    rows, unused = read_rows(DATA / "cpu_rows.csv")
    sources: dict[str, list[int]] = {}
    for row in rows:
        sources.setdefault(row.source, []).append(row.number)
    lines = [[source, str(len(numbers))] for source, numbers in sources.items()]
    left = "\n".join(f"- row {one.number}, {one.model} on {one.device}: {one.reason}" for one in unused)
    return f"{table(['source', 'rows used'], lines)}\n\nNot used:\n\n{left}"


def quick_sections() -> dict[str, str]:
    """Return the tables by the names of their marks in docs/estimator.md."""
    bands = calibrated_bands()
    return {
        "bands": bands_table(bands),
        "beyond": beyond_table(bands, beyond_found()),
        "held out": held_out_table(),
        "npu": npu_table(),
        "rows": rows_table(),
    }
