"""Validates the latency estimator on rows it has not seen, and regenerates the tables of docs/estimator.md.

    python benchmarks/estimator_validation.py                  # print, some minutes
    python benchmarks/estimator_validation.py --write          # and rewrite bands.json and the tables of the docs
    python benchmarks/estimator_validation.py --rows FILE.csv  # score rows of your own with the shipped estimator
    python benchmarks/estimator_validation.py --ridge          # how little the roofline's ridge matters

Every figure of a table is computed here; bands are learnt anew without the rows that are left out.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_deploy.frozen import Unknown

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_deploy.devices.estimator.bands import (
    Bands,
    Key,
    by_architecture,
    by_conditions,
    by_device,
    calibrated_bands,
    fit_bands,
    leave_out,
    write_bands,
)
from fer_deploy.devices.estimator.cpu import CpuModel, Point, fit_cpu, query_of
from fer_deploy.devices.estimator.estimate import calibrated_cpu
from fer_deploy.devices.estimator.networks import DATA
from fer_deploy.devices.estimator.npu import leave_one_model_out
from fer_deploy.devices.estimator.rows import CalibrationRow, calibration_rows, read_rows
from fer_deploy.files import write_atomic
from fer_deploy.progress import track

_DOCS = Path(__file__).resolve().parents[1] / "docs" / "estimator.md"
_TARGET_ERROR, _TARGET_COVERAGE = 0.20, 0.85


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
        bands = fit_bands(
            model.rows, bases={one for point in known for one in (point.basis, point.band_basis)}
        )
    found = []
    for row, point in zip(rows, points, strict=True):
        if isinstance(point, Unknown):
            found.append(Scored(row, None, False, math.nan, point.reason))
            continue
        width = bands.width_of(point, row.precision)
        log_error = abs(math.log(point.milliseconds / row.milliseconds))
        found.append(Scored(row, point, log_error <= width, width))
    return found


def held_out(rows: Sequence[CalibrationRow], key: Key, what: str) -> list[Scored]:
    """Score every row with a model and bands that have seen no row with its value of ``key``."""
    found: list[Scored] = []
    for value in track(sorted({key(row) for row in rows}, key=str), f"leaving out {what}"):
        kept = [row for row in rows if key(row) != value]
        held = [row for row in rows if key(row) == value]
        found += score(fit_cpu(kept), None, held)
    return found


def _cells(name: str, scored: Sequence[Scored]) -> list[str]:
    known = [one for one in scored if one.point is not None]
    if not known:
        return [name, str(len(scored)), "0", "–", "–", "–", "–"]
    errors = [one.error for one in known]
    inside = sum(one.inside for one in known)
    widths = statistics.median(math.exp(one.width) for one in known)
    return [
        name,
        str(len(scored)),
        str(len(known)),
        f"{100 * statistics.median(errors):.1f} %",
        f"{100 * sorted(errors)[math.ceil(0.85 * len(errors)) - 1]:.0f} %",
        f"{100 * inside / len(known):.1f} %",
        f"x {widths:.2f}",
    ]


_HEAD = [
    "rows left out",
    "rows",
    "answered",
    "median error",
    "85th percentile",
    "inside the band",
    "band, median",
]


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    out += ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(out)


def _split(name: str, scored: Sequence[Scored]) -> list[list[str]]:
    lines = [_cells(f"**{name}**", scored)]
    for precision in ("float", "int8"):
        lines.append(_cells(f"… {precision}", [one for one in scored if one.row.precision == precision]))
    return lines


def _by(scored: Sequence[Scored], name: str, key: Key) -> str:
    values = sorted({key(one.row) for one in scored}, key=str)
    lines = [_cells(str(value), [one for one in scored if key(one.row) == value]) for value in values]
    return _table([name, *_HEAD[1:]], lines)


def _judged(what: str, scored: Sequence[Scored]) -> str:
    known = [one for one in scored if one.point is not None]
    error = statistics.median(one.error for one in known)
    inside = sum(one.inside for one in known) / len(known)
    return (
        f"{what}, {len(known)} of {len(scored)} rows answered: median error {100 * error:.1f} % (target: at most "
        f"{100 * _TARGET_ERROR:.0f} %, {'reached' if error <= _TARGET_ERROR else 'NOT reached'}); "
        f"{100 * inside:.1f} % of the held-out rows inside the band (target: at least "
        f"{100 * _TARGET_COVERAGE:.0f} %, {'reached' if inside >= _TARGET_COVERAGE else 'NOT reached'})."
    )


def verdict(scored: Sequence[Scored]) -> str:
    return "\n\n".join(
        [
            _judged("Leave-one-model-out, all", scored),
            _judged("Of these int8", [one for one in scored if one.row.precision == "int8"]),
        ]
    )


def _npu_table() -> str:
    found = leave_one_model_out()
    lines = []
    for runtime in ("qnn", "coreml"):
        here = [one for one in found if one.row.runtime == runtime]
        known = [(one.row, one.found) for one in here if not isinstance(one.found, Unknown)]
        inside = sum(band.low <= row.milliseconds <= band.high for row, band in known)
        share = f"{100 * inside / len(known):.1f} %" if known else "–"
        width = f"x {statistics.median(band.high / band.low for _, band in known):.1f}" if known else "–"
        lines.append([runtime, str(len(here)), str(len(known)), share, width])
    return _table(["NPU runtime", "rows", "answered", "inside the band", "high / low, median"], lines)


def _rows_table() -> str:
    rows, unused = read_rows(DATA / "cpu_rows.csv")
    sources: dict[str, list[int]] = {}
    for row in rows:
        sources.setdefault(row.source, []).append(row.number)
    lines = [[source, str(len(numbers))] for source, numbers in sources.items()]
    table = _table(["source", "rows used"], lines)
    left = "\n".join(f"- row {one.number}, {one.model} on {one.device}: {one.reason}" for one in unused)
    return f"{table}\n\nNot used:\n\n{left}"


def sections() -> dict[str, str]:
    rows = calibration_rows()
    models = held_out(rows, by_architecture, "one model")
    conditions = held_out(rows, by_conditions, "one condition")
    devices = held_out(rows, by_device, "one device")
    bands = calibrated_bands()
    return {
        "validation": "\n".join(
            [
                _table(
                    _HEAD,
                    [
                        *_split("one model", models),
                        *_split("one device's runtime, threads and precision", conditions),
                        *_split("one device (SoC)", devices),
                    ],
                ),
                "",
                verdict(models),
            ]
        ),
        "models": _by(models, "model left out", by_architecture),
        "devices": _by(devices, "SoC left out", by_device),
        "bands": _table(
            ["basis", "precision", "band", "left-out rows it was learnt from", "of networks or devices"],
            [
                [b.basis, b.precision, f"x {math.exp(b.log_width):.2f}", str(b.rows), str(b.clusters)]
                for b in bands.bands
            ],
        ),
        "npu": _npu_table(),
        "rows": _rows_table(),
    }


def rewritten(text: str, parts: dict[str, str]) -> str:
    """Return a page with the text between each pair of its marks replaced."""
    for name, part in parts.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{_DOCS} has no marks '{begin}' and '{end}'")
        head, tail = pattern.split(text, maxsplit=1)
        text = f"{head}{begin}\n{part}\n{end}{tail}"
    return text


def _own_rows(path: Path) -> None:
    rows, unused = read_rows(path)
    scored = score(calibrated_cpu(), calibrated_bands(), rows)
    print(_table(_HEAD, _split("your rows", scored)))
    for one in scored:
        what = f"row {one.row.number}: {one.row.model}, {one.row.device.name}, {one.row.runtime}, "
        what += f"{one.row.threads} threads, {one.row.precision}: published {one.row.milliseconds:g} ms, "
        if one.point is None:
            print(what + f"refused: {one.reason}")
        else:
            low, high = (one.point.milliseconds * math.exp(sign * one.width) for sign in (-1, 1))
            print(
                what
                + f"estimated {one.point.milliseconds:.3g} ms ({low:.3g} to {high:.3g}), {one.point.basis}"
            )
    for left in unused:
        print(f"row {left.number}: {left.model}, {left.device}: not used: {left.reason}")


def _ridges() -> None:
    rows = calibration_rows()
    lines = []
    for ridge in (0.0, 1.0, 2.0, 4.0, 8.0, 16.0):
        errors = [abs(math.exp(one.log_error) - 1) for one in leave_out(rows, by_architecture, ridge)]
        lines.append([f"{ridge:g}", f"{100 * statistics.median(errors):.1f} %"])
    print(_table(["ridge", "leave-one-model-out median error"], lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--write", action="store_true", help="rewrite bands.json and docs/estimator.md")
    parser.add_argument("--rows", type=Path, help="score the rows of this csv file")
    parser.add_argument("--ridge", action="store_true", help="show the effect of the roofline's ridge")
    arguments = parser.parse_args()
    if arguments.rows:
        _own_rows(arguments.rows)
        return
    if arguments.ridge:
        _ridges()
        return
    if arguments.write:
        write_bands()
        calibrated_bands.cache_clear()
    parts = sections()
    for name, part in parts.items():
        print(f"## {name}\n\n{part}\n")
    if arguments.write:
        write_atomic(_DOCS, rewritten(_DOCS.read_text(encoding="utf-8"), parts))


if __name__ == "__main__":
    main()
