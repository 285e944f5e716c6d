"""README's table of models says what the cards say, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_readme_has_the_table_that_the_cards_make() -> None:
    made = subprocess.run(
        [sys.executable, "benchmarks/model_table.py"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"<!-- models -->\n\n(.*?)\n\n<!-- /models -->", readme, re.DOTALL)
    assert table == made.stdout.strip()


def test_every_shipped_model_has_a_card_of_its_weights() -> None:
    for toml in (ROOT / "models").glob("*/model.toml"):
        (digest,) = re.findall(r'^sha256 = "(\w+)"', toml.read_text(), re.MULTILINE)
        assert f"Weights sha256 `{digest}`" in toml.with_name("card.md").read_text(encoding="utf-8")
        assert f"`{toml.parent.relative_to(ROOT).as_posix()}`" in (ROOT / "README.md").read_text()
