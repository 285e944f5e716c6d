from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.errors import ConfigError, ModelError
from fer_deploy.experiments.search import Searcher
from fer_deploy.experiments.search_schema import SearchReport, load_search
from fixtures.reading import rendered
from fixtures.synthetic import tiny_recipe

SHIPPED = Path(__file__).resolve().parents[2] / "studies" / "search.toml"


def search_document(faces_folder: Path, **changed: Any) -> dict[str, Any]:
    train = tiny_recipe(epochs=1).model_dump(mode="json", exclude_none=True, exclude={"architecture", "seed"})
    train["data"] = {"kind": "folder", "path": str(faces_folder)}
    return {
        "name": "tiny",
        "candidates": 4,
        "random": 2,
        "population": 2,
        "tournament": 2,
        "space": {
            "base": "fer_xs",
            "width": [0.25, 0.5, 4.0],
            "expansion": [2, 3],
            "activation": ["relu6", "relu"],
            "size": [16, 24],
        },
        "limits": {"parameters": 100_000, "macs": 3_000_000},
        "train": train,
    } | changed


def write_search_file(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "tiny.toml"
    path.write_text(tomli_w.dumps(document))
    return path


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

    def die(self: Searcher, candidate: Any) -> Any:
        calls.append(candidate)
        if len(calls) == 3:
            raise Killed
        return ordinary(self, candidate)

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
    for candidate in calls[:2]:
        assert f": {candidate.label}" in result.stderr, "a stopped search must draw the same candidates again"
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
    for words in ("What mattered", "share of variance", "fer\\_xs x0", "One value only", "cost too much"):
        assert words in text
    assert "4 candidates" in text
    html = rendered(text)
    assert html.count("<table>") == 2
    assert html.count("<tr>") >= 5 + 1


def test_third_call_gives_the_same(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    before = json.loads((folder / "tiny" / "search.json").read_text())
    again = run(folder, "--json", "--output", str(folder / "again"))
    assert again.exit_code == 0, again.output
    assert "train loss" not in again.stderr
    assert json.loads(again.stdout)["rows"] == before["rows"]


def test_limits_that_nothing_keeps(tmp_path: Path, faces_folder: Path) -> None:
    write_search_file(tmp_path, search_document(faces_folder, limits={"parameters": 10}))
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
