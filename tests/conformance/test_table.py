"""The document about the networks: what was run, at which commit, and what was not."""

from __future__ import annotations

from pathlib import Path

from conformance.harness import RECIPES, Verdict
from conformance.registry import NETWORKS
from conformance.table import _PAIRS, Row, commit, read_verdicts, table, with_verdicts, write_verdicts


def rows() -> dict[str, Row]:
    right = {pair: Verdict("right", sqnr=25.4) for pair in _PAIRS}
    mixed = {
        **right,
        _PAIRS[1]: Verdict("refused", text="it has none; leave it out"),
        _PAIRS[2]: Verdict("wrong", sqnr=-3.2),
    }
    first, second, *_ = NETWORKS
    return {first: Row("aaaaaaaa", right), second: Row("bbbbbbbb+", mixed)}


def test_what_was_found_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.json"
    assert read_verdicts(file) == {}
    write_verdicts(file, rows())
    assert read_verdicts(file) == rows()


def test_the_document_says_what_it_rests_on() -> None:
    text = "\n".join(table(rows()))
    assert "Of 16 artifacts 14 are right, 1 are refused and 1 are wrong." in text
    assert "aaaaaaaa (1), bbbbbbbb+ (1)" in text
    first, second, third, *_ = NETWORKS
    line = next(line for line in text.splitlines() if f"(`{second}`)" in line)
    assert line.endswith("| 25 | refused (1) | **wrong: -3** | 25 | 25 | 25 | 25 | 25 |")
    assert "(1) it has none; leave it out" in text
    left = next(line for line in text.splitlines() if line.startswith("**Not run**"))
    assert third in left
    assert first not in left


def test_a_target_that_is_run_by_itself_leaves_the_others_as_they_were() -> None:
    old = Row("aaaaaaaa", {pair: Verdict("right", sqnr=25.4) for pair in _PAIRS if "litert" not in pair})
    assert old.lacks == ("litert",)
    found = {("litert", recipe): Verdict("right", sqnr=99.0) for recipe in RECIPES}
    row = with_verdicts(old, found, ("litert",))
    assert (row.commit, row.later, row.lacks) == ("aaaaaaaa", {"litert": commit()}, ())
    assert row.verdicts["litert float"].sqnr == 99.0
    text = "\n".join(table({next(iter(NETWORKS)): row}))
    assert f"litert by itself since: {commit()} (1)" in text


def test_the_commit_is_this_repository_s() -> None:
    assert 8 <= len(commit().rstrip("+")) <= 40
