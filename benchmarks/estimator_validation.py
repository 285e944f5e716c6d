"""Validates the latency estimator on rows it has not seen, and regenerates the tables of docs/estimator.md.

    python benchmarks/estimator_validation.py                  # print, a quarter of an hour
    python benchmarks/estimator_validation.py --write          # and rewrite bands.json and the tables of the docs
    python benchmarks/estimator_validation.py --quick --write  # bands.json and the tables that take a minute only
    python benchmarks/estimator_validation.py --rows FILE.csv  # score rows of your own with the shipped estimator
    python benchmarks/estimator_validation.py --ridge          # how little the roofline's ridge matters

Every figure of a table is computed here, or in estimator_tables.py and estimator_threads.py. Bands are learnt anew
without the rows that are left out; only by how much they widen beyond the rows is learnt from all, as that would take
hours.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from estimator_tables import HEAD, Scored, by, quick_sections, score, split, table
from estimator_threads import threads_table

from fer_deploy.devices.estimator.cpu import fit_cpu
from fer_deploy.devices.estimator.estimate import calibrated_cpu
from fer_deploy.devices.estimator.learn import calibrated_bands, write_bands
from fer_deploy.devices.estimator.left_out import (
    Key,
    by_architecture,
    by_conditions,
    by_core,
    by_device,
    leave_out,
)
from fer_deploy.devices.estimator.rows import CalibrationRow, calibration_rows, read_rows
from fer_deploy.files import write_atomic
from fer_deploy.progress import track

_DOCS = Path(__file__).resolve().parents[1] / "docs" / "estimator.md"
_TARGET_ERROR, _TARGET_COVERAGE = 0.20, 0.85


def held_out(rows: Sequence[CalibrationRow], key: Key, what: str) -> list[Scored]:
    """Score every row with a model and bands that have seen no row with its value of ``key``."""
    found: list[Scored] = []
    for value in track(sorted({key(row) for row in rows}, key=str), f"leaving out {what}"):
        kept = [row for row in rows if key(row) != value]
        held = [row for row in rows if key(row) == value]
        found += score(fit_cpu(kept), None, held)
    return found


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


def slow_sections() -> dict[str, str]:
    """Return the tables for which everything is fitted and learnt anew, some hundred times."""
    rows = calibration_rows()
    models = held_out(rows, by_architecture, "one model")
    devices = held_out(rows, by_device, "one device")
    cores = held_out(rows, by_core, "one kind of core")
    conditions = held_out(rows, by_conditions, "one condition")
    lines = [
        *split("one model", models),
        *split("one device's runtime, threads and precision", conditions),
        *split("one device (SoC)", devices),
        *split("one kind of core, all its devices", cores),
    ]
    return {
        "validation": f"{table(HEAD, lines)}\n\n{verdict(models)}",
        "models": by(models, "model left out", by_architecture),
        "devices": by(devices, "SoC left out", by_device),
        "cores": by(cores, "fastest core left out", by_core),
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
    print(table(HEAD, split("your rows", scored)))
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
    print(table(["ridge", "leave-one-model-out median error"], lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--write", action="store_true", help="rewrite bands.json and docs/estimator.md")
    parser.add_argument("--quick", action="store_true", help="leave out what takes more than a minute")
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
    parts = quick_sections() | {"threads": threads_table()} | ({} if arguments.quick else slow_sections())
    for name, part in parts.items():
        print(f"## {name}\n\n{part}\n")
    if arguments.write:
        write_atomic(_DOCS, rewritten(_DOCS.read_text(encoding="utf-8"), parts))


if __name__ == "__main__":
    main()
