from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner, Result

from fer_deploy.cli import main
from fer_deploy.errors import ConfigError, ModelError
from fer_deploy.experiments.study import mean_over_seeds
from fer_deploy.experiments.study_schema import StudyReport, load_study
from fer_deploy.measure.measurement import Unit, measured, not_measured
from fer_deploy.model import load_model
from fer_deploy.train import loop
from fer_deploy.train.epochs import learning_rate_at
from fixtures.synthetic import LABELS, tiny_recipe

STUDIES = Path(__file__).resolve().parents[2] / "studies"


def study_document(faces_folder: Path, **changed: Any) -> dict[str, Any]:
    train = tiny_recipe(epochs=1).model_dump(mode="json", exclude_none=True, exclude={"architecture", "seed"})
    train["data"] = {"kind": "folder", "path": str(faces_folder)}
    return {
        "name": "tiny",
        "architectures": [{"name": "fer_xs", "width": 0.5}, {"name": "mini_xception"}],
        "calibration_images": 16,
        "timing": {"min_runs": 5, "min_seconds": 0.0, "warmups": 2},
        "train": train,
    } | changed


def write_study_file(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "tiny.toml"
    path.write_text(tomli_w.dumps(document))
    return path


def run(folder: Path, *options: str) -> Result:
    arguments = ["study", str(folder / "tiny.toml"), "--work-dir", str(folder / "runs"), "--threads", "1"]
    return CliRunner().invoke(main, [*arguments, *options])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, faces_folder: Path) -> tuple[Path, Result]:
    """A study of two architectures that was killed in its second run and given again."""
    folder = tmp_path_factory.mktemp("study")
    write_study_file(folder, study_document(faces_folder))
    ordinary = learning_rate_at

    class Killed(BaseException):
        pass

    trained: list[int] = []

    def die_in_second_run(step: int, steps: int, recipe: Any) -> float:
        trained.append(step)
        if trained.count(0) == 2:
            raise Killed
        return ordinary(step, steps, recipe)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "learning_rate_at", die_in_second_run)
        with pytest.raises(Killed):
            CliRunner().invoke(
                main,
                ["study", str(folder / "tiny.toml"), "--work-dir", str(folder / "runs"), "--threads", "1"],
                catch_exceptions=False,
            )
    assert not (folder / "tiny" / "study.json").exists()
    assert (folder / "runs" / "fer_xs-x0.5-seed0" / "run.json").is_file()
    return folder, run(folder)


def test_stopped_study_goes_on(finished: tuple[Path, Result]) -> None:
    _, result = finished
    assert result.exit_code == 0, result.output
    assert "run 1 of 2: fer_xs x0.5" in result.stderr
    assert result.stderr.count("epoch 1/1: train loss") == 1, "the finished run must not be trained again"
    assert "mini_xception" in result.stdout


def test_report_is_what_the_models_give(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    report = StudyReport.model_validate_json((folder / "tiny" / "study.json").read_bytes())
    assert [row.label for row in report.rows] == ["fer_xs x0.5", "mini_xception"]
    assert report.budget.images_per_epoch == report.budget.training_images
    assert 0 < report.budget.hours < 1
    for row, name in zip(report.rows, ("fer_xs-x0.5-seed0", "mini_xception-seed0"), strict=True):
        model = load_model(folder / "runs" / name / "model")
        assert row.parameters.value == sum(p.numel() for p in model.network.parameters())
        assert row.delegation.share.value == 1.0
        assert row.int8_latency.value is not None
        assert "load average" in row.int8_latency.conditions
        assert "in turns with the others" in row.int8_latency.conditions["process"]
        assert set(row.recalls) == set(LABELS)
        images = report.validation.images
        right = sum(row.runs[0].float_accuracy.confusion[i][i] for i in range(len(LABELS)))
        assert row.accuracy.value == pytest.approx(right / images)


def test_markdown_names_budget_and_every_row(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    text = (folder / "tiny" / "study.md").read_text()
    for words in (
        "fer\\_xs x0.5",
        "mini\\_xception",
        "1 epochs of",
        "seed 0",
        "load average",
        "learning_rate",
    ):
        assert words in text
    for name in ("parameters.svg", "macs.svg", "size.svg", "latency.svg", "recall.svg"):
        assert f"]({name})" in text
        assert (folder / "tiny" / name).read_text().startswith("<svg")
    assert str(folder) not in text
    assert "path = " not in text, "the recipe in the table is not to name this machine's folders"


def test_third_call_trains_and_times_nothing(finished: tuple[Path, Result]) -> None:
    folder, _ = finished
    before = json.loads((folder / "tiny" / "study.json").read_text())
    again = run(folder, "--json", "--output", str(folder / "again"))
    assert again.exit_code == 0, again.output
    assert "epoch" not in again.stderr
    assert "timing" not in again.stderr
    assert json.loads(again.stdout)["rows"] == before["rows"]


def test_runs_of_another_recipe_are_refused(
    finished: tuple[Path, Result], tmp_path: Path, faces_folder: Path
) -> None:
    folder, _ = finished
    shutil.copytree(folder / "runs", tmp_path / "runs")
    document = study_document(faces_folder)
    document["train"]["learning_rate"] = 0.01
    write_study_file(tmp_path, document)
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "holds a finished run of another recipe" in result.stderr


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"architectures": []}, ConfigError, "architectures: "),
        ({"architectures": [{"name": "resnet"}]}, ModelError, "unknown architecture 'resnet'"),
        ({"architectures": [{"name": "fer_s"}] * 2}, ConfigError, "listed twice"),
        ({"architectures": [{"name": "squeezenet", "depth": 2.0}]}, ModelError, "no depth"),
        ({"seeds": [1, 1]}, ConfigError, "seeds must differ"),
        ({"name": "../up"}, ConfigError, "name: "),
        ({"train": {}}, ConfigError, r"no valid recipe in \[train\]: input: Field required"),
        ({"train": {"seed": 1}}, ConfigError, "sets train.seed"),
        ({"epochs": 3}, ConfigError, "epochs: unknown key"),
    ],
)
def test_refusals(
    tmp_path: Path, faces_folder: Path, change: dict[str, Any], error: type[Exception], says: str
) -> None:
    path = write_study_file(tmp_path, study_document(faces_folder, **change))
    with pytest.raises(error, match=says) as caught:
        load_study(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["small", "full"])
def test_shipped_studies_hold_what_the_comparison_needs(name: str) -> None:
    spec = load_study(STUDIES / f"{name}.toml")
    assert spec.name == name
    labels = [one.label for one in spec.architectures]
    for label in ("mobilenet_v2", "mobilenet_v2 x0.5", "mobilenet_v2 x0.35", "fer_m", "fer_s", "fer_xs"):
        assert label in labels
    peers = {one.name for one in spec.architectures} - {"mobilenet_v2", "fer_m", "fer_s", "fer_xs"}
    assert len(peers) >= 4


def test_mean_over_seeds() -> None:
    figures = [measured(value, Unit.FRACTION) for value in (0.80, 0.82, 0.84)]
    mean = mean_over_seeds(figures)
    assert mean.value == pytest.approx(0.82)
    assert mean.interval is not None
    # Student's t at 2 degrees of freedom is 4.3027; the standard error 0.02 / sqrt(3)
    assert mean.interval.high - 0.82 == pytest.approx(4.3027 * 0.02 / 3**0.5, rel=1e-4)
    assert mean.samples == (0.80, 0.82, 0.84)
    assert mean_over_seeds(figures[:1]) == figures[0]
    gap = not_measured(Unit.FRACTION, "no image")
    assert mean_over_seeds([gap, gap]) == gap
