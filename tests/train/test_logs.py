"""What the docs say of training runs stands in the runs' committed logs."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| `(\S+/log\.csv)` \| .* \| (\d+)(?: of \d+)? \| ([\d.]+) % \|$",
    (ROOT / "docs" / "study.md").read_text(),
    re.M,
)


def test_the_tables_are_found() -> None:
    assert len(ROWS) == 8


@pytest.mark.parametrize(("log", "epochs", "best"), ROWS)
def test_the_docs_quote_the_log(log: str, epochs: str, best: str) -> None:
    with (ROOT / log).open(newline="") as stream:
        accuracies = [float(row["val_accuracy"]) for row in csv.DictReader(stream)]
    assert len(accuracies) == int(epochs)
    assert f"{max(accuracies):.2%}" == f"{best}%"
