"""The pages about the family hold what the committed figures say, and those are the committed students'."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fer_deploy.files import sha256_of
from fer_deploy.train.family.recipe import load_family_recipe
from fer_deploy.train.family.student_file import load_student, recipe_digest
from fixtures.family import COMMITTED

ROOT = COMMITTED.parents[2]
FOLDER = COMMITTED.parent


@pytest.fixture(scope="module")
def printed() -> str:
    """What benchmarks/family_tables.py prints."""
    done = subprocess.run(
        [sys.executable, "benchmarks/family_tables.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("page", "count"), [("docs/family.md", 6), ("models/teachers/README.md", 1)])
def test_the_pages_hold_the_tables(page: str, count: int, printed: str) -> None:
    text = (ROOT / page).read_text()
    sections = re.findall(r"<!-- ([a-z-]+) -->\n(.*?)<!-- /\1 -->", text, re.S)
    # benchmarks/tuning.py makes that one, in minutes.
    sections = [(name, section) for name, section in sections if name != "tuning"]
    assert len(sections) == count
    for name, section in sections:
        assert f"{page}, {name}:\n\n{section.strip()}\n" in printed


def test_the_figures_are_the_committed_students() -> None:
    figures = json.loads((FOLDER / "figures.json").read_text())
    run = json.loads((FOLDER / "run.json").read_text())
    files = sorted((FOLDER / "students").glob("*.safetensors"))
    assert figures["family"]["sha256"] == sha256_of(FOLDER / "students/SHA256SUMS")
    assert set(figures["family"]["scores"]) == {"/".join(_name(file)) for file in files}
    assert run["recipe_sha256"] == recipe_digest(load_family_recipe(COMMITTED))


def test_the_log_ends_with_the_students_scores() -> None:
    rows = [line.split(",") for line in (FOLDER / "log.csv").read_text().splitlines()]
    last = {row[1]: dict(zip(rows[0][3:], map(float, row[3:]), strict=True)) for row in rows[1:]}
    for file in sorted((FOLDER / "students").glob("*.safetensors")):
        info, _ = load_student(file)
        assert info.public_test == last["/".join(_name(file))]


def _name(file: Path) -> tuple[str, str]:
    architecture, _, seed = file.stem.rpartition("-")
    return architecture, seed
