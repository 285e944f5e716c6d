"""Rows and devices are read, and what cannot be used says why."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fer_deploy.devices.estimator.networks import DATA
from fer_deploy.devices.estimator.rows import read_devices, read_rows
from fer_deploy.errors import DataError


def _csv(path: Path, **changes: str) -> Path:
    with (DATA / "cpu_rows.csv").open(encoding="utf-8", newline="") as stream:
        cells = next(csv.DictReader(stream))
    cells.update(changes)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(cells))
        writer.writeheader()
        writer.writerow(cells)
    return path


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verified": "memory"}, "not read at the source"),
        ({"processor": "NPU"}, "not on the CPU"),
        ({"runtime": "TVM"}, "runtime 'TVM' is not among"),
        ({"precision": "bf16"}, "neither float nor int8"),
        ({"device": "My Phone"}, "not in calibration_devices.toml"),
        ({"threads": ""}, "threads is not stated"),
        ({"latency_ms": "fast"}, "not a number"),
        ({"model": "nasnet_mobile"}, "no layer table of nasnet_mobile"),
    ],
)
def test_rows_that_cannot_be_used_say_why(tmp_path: Path, changes: dict[str, str], reason: str) -> None:
    rows, unused = read_rows(_csv(tmp_path / "rows.csv", **changes))
    assert not rows
    assert reason in unused[0].reason


def test_rows_of_ones_own_are_read(tmp_path: Path) -> None:
    rows, unused = read_rows(_csv(tmp_path / "rows.csv", model="mobilenet_v3_small_1.0", latency_ms="15.8"))
    assert not unused
    assert rows[0].milliseconds == 15.8
    bad = tmp_path / "bad.csv"
    bad.write_text("model,input_px\nx,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="have no column 'device'"):
        read_rows(bad)
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(tmp_path / "gone.csv")


def test_rows_of_further_devices_are_read(tmp_path: Path) -> None:
    table = tmp_path / "devices.toml"
    table.write_text(
        '[[device]]\nname = "mine"\nfamily = "mine"\nrows = ["My Phone"]\nsource = "a page"\n'
        'cores = [{ count = 4, microarchitecture = "Cortex-A76", max_ghz = 2.0 }]\n',
        encoding="utf-8",
    )
    path = _csv(tmp_path / "rows.csv", device="My Phone")
    assert not read_rows(path)[0]
    rows, unused = read_rows(path, read_devices(table))
    assert not unused
    assert rows[0].device.name == "mine"
    table.write_text("[[device]]\nname = 1\n", encoding="utf-8")
    with pytest.raises(DataError, match="is not valid"):
        read_devices(table)
