"""docs/peers.md says what the benchmark's result file says, and that file is whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from peers.results import FILE, Result, Row, read_result
from peers.roster import ENTRANTS, NETWORKS, PACKAGES, code_lines

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def result() -> Result:
    return read_result(ROOT / FILE)


def test_the_page_has_the_tables_that_the_result_makes() -> None:
    made = subprocess.run(
        [sys.executable, "benchmarks/peers/tables.py"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    page = (ROOT / "docs/peers.md").read_text(encoding="utf-8")
    sections = re.findall(r"<!-- (peers .*?) -->\n\n(.*?)\n\n<!-- /\1 -->", made.stdout, re.DOTALL)
    assert len(sections) == 2 * len(NETWORKS) + 2
    for name, text in sections:
        assert f"<!-- {name} -->\n\n{text}\n\n<!-- /{name} -->" in page, name
    assert page.count("<!-- peers") == len(sections)


def test_every_entrant_has_a_row_for_every_network(result: Result) -> None:
    assert [one.name for one in result.networks] == list(NETWORKS)
    for network in result.networks:
        assert [row.key for row in network.rows] == [one.key for one in ENTRANTS]
        for row in network.rows:
            assert row.figures is not None or row.failure
    assert set(result.versions) == set(PACKAGES)


def test_lines_are_those_of_the_code_that_is_here(result: Result) -> None:
    for network in result.networks:
        for row, one in zip(network.rows, ENTRANTS, strict=True):
            assert row.lines == code_lines(one.code()), one.key


def test_the_pins_are_the_versions_that_were_measured(result: Result) -> None:
    pinned = dict(
        re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "benchmarks/peers/lock.txt").read_text(), re.MULTILINE)
    )
    asked = dict(
        re.findall(
            r"^([\w.-]+)==(\S+)", (ROOT / "benchmarks/peers/requirements.txt").read_text(), re.MULTILINE
        )
    )
    for name, version in result.versions.items():
        there = next(found for known, found in pinned.items() if known.replace("_", "-") == name)
        assert version.partition("+")[0] == there
    assert all(pinned[name] == version for name, version in asked.items())


def test_a_row_has_figures_or_a_reason(result: Result) -> None:
    row = next(row for row in result.networks[0].rows if row.figures is not None)
    with pytest.raises(ValueError, match="either figures"):
        Row.model_validate({**row.model_dump(), "failure": "both"})
    with pytest.raises(ValueError, match="either figures"):
        Row.model_validate({**row.model_dump(), "figures": None})


def test_lines_of_code_are_neither_blank_nor_comment_nor_docstring() -> None:
    def sample() -> None:
        """Say nothing.

        At length.
        """

        # one
        class Inner:
            """Inside."""

            value = 1

        text = f"""
        {Inner.value}
        """
        print(text)

    assert code_lines(sample) == 6
