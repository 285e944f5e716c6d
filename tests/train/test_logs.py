"""What the docs say of training runs stands in the runs' committed logs."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| `(\S+/log\.csv)` \| .* \| (\d+)(?: of \d+)? \| ([\d.]+) % \|(?: ([\d.]+) \|)?$",
    (ROOT / "docs" / "study.md").read_text(),
    re.M,
)


def test_the_tables_are_found() -> None:
    assert len(ROWS) == 11


@pytest.mark.parametrize(("log", "epochs", "best", "loss"), ROWS)
def test_the_docs_quote_the_log(log: str, epochs: str, best: str, loss: str) -> None:
    with (ROOT / log).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == int(epochs)
    assert f"{max(float(row['val_accuracy']) for row in rows):.2%}" == f"{best}%"
    if loss:
        assert f"{min(float(row['val_loss']) for row in rows):.3f}" == loss
