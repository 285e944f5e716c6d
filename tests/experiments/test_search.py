from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.errors import ConfigError, DeviceError, ModelError
from fer_deploy.experiments.search import Searcher
from fer_deploy.experiments.search_cost import CandidateCost
from fer_deploy.experiments.search_report import SearchReport
from fer_deploy.experiments.search_schema import load_search
from fer_deploy.experiments.search_trials import Draw, ProxyResult
from fixtures.reading import rendered
from fixtures.searching import search_document, write_search_file

SHIPPED = Path(__file__).resolve().parents[2] / "studies" / "search.toml"


def run(folder: Path, *options: str) -> Result:
    arguments = ["search", str(folder / "tiny.toml"), "--work-dir", str(folder / "runs"), "--threads", "1"]
    return CliRunner().invoke(main, [*arguments, *options])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, faces_folder: Path) -> tuple[Path, Result]:
    """A search that was killed in its third candidate and given again."""
    folder = tmp_path_factory.mktemp("search")
    write_search_file(folder, search_document(faces_folder))
    ordinary, calls = Searcher._proxy, []

    class Killed(BaseException):
        pass

    def die(self: Searcher, draw: Draw, cost: CandidateCost) -> ProxyResult:
        calls.append(draw.candidate)
        if len(calls) == 3:
            raise Killed
        return ordinary(self, draw, cost)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Searcher, "_proxy", die)
        with pytest.raises(Killed):
            CliRunner().invoke(
                main,
                ["search", str(folder / "tiny.toml"), "--work-dir", str(folder / "runs")],
                catch_exceptions=False,
            )
    result = run(folder)
    assert result.exit_code == 0, result.output
    assert f"candidate 3 of 4: {calls[2].label}" in result.stderr, "a stopped search must go on where it was"
    return folder, result


def test_stopped_search_goes_on(finished: tuple[Path, Result]) -> None:
    folder, result = finished
    assert result.stderr.count("epoch 1/1: train loss") == 2
    report = SearchReport.model_validate_json((folder / "tiny" / "search.json").read_bytes())
    assert len({row.label for row in report.rows}) == len(report.rows) == 4


def test_ranking_keeps_the_limits(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    report = SearchReport.model_validate_json((folder / "tiny" / "search.json").read_bytes())
    accuracies = [row.accuracy.value for row in report.rows if row.accuracy.value is not None]
    assert len(accuracies) == len(report.rows)
    assert accuracies == sorted(accuracies, reverse=True)
    for row in report.rows:
        assert row.parameters.value is not None
        assert row.parameters.value <= 100_000
        assert row.macs.value is not None
        assert row.macs.value <= 3_000_000
        assert row.options["width"] != "4"
    for effect in report.effects:
        assert 0 <= effect.share <= 1 + 1e-9
        assert sum(effect.counts.values()) == 4


def test_markdown_says_what_mattered(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    text = (folder / "tiny" / "search.md").read_text()
    for words in (
        "What is worth its cost",
        "What mattered",
        "share of variance",
        "fer\\_xs x0",
        "One value only",
        "cost too much",
    ):
        assert words in text
    assert "4 candidates" in text
    html = rendered(text)
    assert html.count("<table>") == 3
    assert html.count("<tr>") >= 5 + 1


def test_third_call_gives_the_same(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    before = json.loads((folder / "tiny" / "search.json").read_text())
    again = run(folder, "--json", "--output", str(folder / "again"))
    assert again.exit_code == 0, again.output
    assert "train loss" not in again.stderr
    assert json.loads(again.stdout)["rows"] == before["rows"]


def test_finished_search_is_read_from_its_journal_alone(
    finished: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = finished
    monkeypatch.delattr(Searcher, "_proxy")
    journal = folder / "tiny" / "search.journal"
    again = run(folder, "--json", "--work-dir", str(tmp_path / "runs"), "--storage", str(journal))
    assert again.exit_code == 0, again.output
    assert (
        json.loads(again.stdout)["rows"] == json.loads((folder / "tiny" / "search.json").read_text())["rows"]
    )
    assert str(folder) not in journal.read_text()


def test_two_processes_share_one_search(tmp_path: Path, faces_folder: Path) -> None:
    space = {"base": "fer_xs", "width": [0.25, 0.5], "activation": ["relu6", "relu"], "size": [16, 24]}
    file = write_search_file(tmp_path, search_document(faces_folder, candidates=6, space=space))
    command = [sys.executable, "-m", "fer_deploy", "search", str(file), "--threads", "1"]
    command += ["--storage", f"sqlite:///{tmp_path / 'trials.db'}", "--work-dir", str(tmp_path / "runs")]
    with subprocess.Popen(
        [*command, "--output", str(tmp_path / "other")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as other:
        assert other.stderr is not None
        theirs = ""
        while "candidate 1 of 6" not in theirs and (line := other.stderr.readline()):
            theirs += line
        here = run(
            tmp_path, "--storage", f"sqlite:///{tmp_path / 'trials.db'}", "--output", str(tmp_path / "one")
        )
        theirs += other.communicate(timeout=240)[1]
    said = [here.stderr, theirs]
    assert [here.exit_code, other.returncode] == [0, 0], said
    reports = [
        SearchReport.model_validate_json((tmp_path / name / "search.json").read_bytes())
        for name in ("one", "other")
    ]
    # whoever ends last has all of them: one more than asked for at most, since both may be at the last one
    rows = max((report.rows for report in reports), key=len)
    assert len({row.label for row in rows}) == len(rows)
    assert len(rows) in (6, 7)
    trained = [text.count("epoch 1/1: train loss") for text in said]
    assert sum(trained) == len(rows)
    assert min(trained) >= 1


def test_pruning_stops_what_others_dominate(tmp_path: Path, faces_folder: Path) -> None:
    document = search_document(
        faces_folder,
        candidates=5,
        space={"base": "fer_xs", "width": [0.25, 0.5], "expansion": [2, 3], "size": [16, 24]},
        pruning={"rungs": [1], "dominators": 1},
    )
    document["train"]["epochs"] = 2
    write_search_file(tmp_path, document)
    result = run(tmp_path, "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    stopped = [row for row in rows if row["stopped_after"] is not None]
    assert 0 < len(stopped) < len(rows)
    assert rows[-len(stopped) :] == stopped, "those that were stopped come last"
    assert result.stderr.count("epoch 2/2: train loss") == len(rows) - len(stopped)
    page = (tmp_path / "tiny" / "search.md").read_text()
    assert f"of which {len(stopped)} were stopped early" in page
    assert page.count(", stopped after epoch 1 |") == len(stopped)


def test_estimate_is_an_objective(tmp_path: Path, faces_folder: Path) -> None:
    document = search_document(
        faces_folder,
        candidates=2,
        estimate={"profile": "pixel-8"},
        limits={"estimate_ms": 50.0},
        space={"base": "fer_xs", "width": [0.25, 3.0, 4.0], "size": [48]},
    )
    write_search_file(tmp_path, document)
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    report = SearchReport.model_validate_json((tmp_path / "tiny" / "search.json").read_bytes())
    assert all(len(row.costs) == 3 for row in report.rows)
    assert [row.options["width"] for row in report.rows if row.options["width"] == "0.25"] == []
    assert "estimated latency on Google Pixel 8" in (tmp_path / "tiny" / "search.md").read_text()
    assert "estimate" in result.stdout


def test_limits_that_nothing_keeps(tmp_path: Path, faces_folder: Path) -> None:
    space = {"base": "fer_xs", "width": [0.25, 0.5]}
    write_search_file(
        tmp_path, search_document(faces_folder, candidates=2, space=space, limits={"parameters": 10})
    )
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "found only 0 candidates within its limits" in result.stderr


@pytest.mark.slow
def test_latency_limit_is_measured(tmp_path: Path, faces_folder: Path) -> None:
    document = search_document(
        faces_folder,
        candidates=2,
        space={"base": "fer_xs", "width": [0.25, 0.5]},
        limits={"latency_ms": 1000.0},
        timing={"min_runs": 10, "min_seconds": 0.0, "warmups": 1},
    )
    write_search_file(tmp_path, document)
    result = run(tmp_path, "--json")
    assert result.exit_code == 0, result.output
    for row in json.loads(result.stdout)["rows"]:
        assert row["latency"]["provenance"] == "measured"
        assert 0 < row["latency"]["value"] <= 1000
        assert row["options"]["expansion"] == "the base's"
        assert row["options"]["stem_stride"] == "the base's"


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"candidates": 30}, ConfigError, "the space has 24 points only"),
        ({"space": {"base": "resnet"}, "candidates": 2}, ConfigError, "the space has 1 points only"),
        ({"space": {"base": "resnet", "width": [0.5, 1.0]}, "candidates": 2}, ModelError, "'resnet'"),
        (
            {"space": {"base": "squeezenet", "expansion": [2, 3]}, "candidates": 2},
            ModelError,
            "'squeezenet' has no depth",
        ),
        ({"population": 8}, ConfigError, "population belonged to the evolution"),
        ({"limits": {"estimate_ms": 3.0}}, ConfigError, r"add one"),
        ({"estimate": {"profile": "nokia-3310"}}, DeviceError, "nokia-3310"),
        (
            {"estimate": {"profile": "pixel-8", "target": "onnx"}},
            ConfigError,
            r"\[estimate\] has nothing to go by: no published row",
        ),
        ({"pruning": {"rungs": [1]}}, ConfigError, "train.epochs is 1: nothing is saved"),
        ({"pruning": {"rungs": [2, 2]}}, ConfigError, "ascending"),
        ({"space": {"size": [8, 16]}, "candidates": 2}, ConfigError, "size 8"),
        ({"space": {"width": [1.0, 1.0]}, "candidates": 2}, ConfigError, "width lists a value twice"),
        ({"limits": {"flops": 1}}, ConfigError, "limits.flops: unknown key"),
        ({"train": {"architecture": {"name": "fer_s"}}}, ConfigError, "sets train.architecture"),
    ],
)
def test_refusals(
    tmp_path: Path, faces_folder: Path, change: dict[str, Any], error: type[Exception], says: str
) -> None:
    path = write_search_file(tmp_path, search_document(faces_folder, **change))
    with pytest.raises(error, match=says) as caught:
        load_search(path)
    assert "\n" not in str(caught.value)


def test_shipped_search_varies_what_the_paper_asks_about() -> None:
    spec = load_search(SHIPPED)
    for option in ("width", "depth", "expansion", "activation", "stem_stride", "size"):
        assert len(spec.space.values(option)) > 1
    assert spec.limits.parameters == 500_000
