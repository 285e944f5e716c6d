"""The functions that notebooks call do what the commands do, and refuse in one sentence."""

from __future__ import annotations

import copy
import gc
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner
from PIL import Image

import fer_deploy as fd
from fer_deploy.cli import main
from fer_deploy.errors import ArgumentError
from fer_deploy.model import Model
from fer_deploy.targets.artifact import Artifact
from fixtures.lowered import Lower
from fixtures.synthetic import LABELS, SIZE, separable_faces


@pytest.fixture(scope="module")
def artifact(lowered: Lower) -> Artifact:
    return lowered("onnx", "w8a8-ptq")[0]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, model_folder: Path, faces_folder: Path) -> Path:
    document = {
        "model": {"path": str(model_folder)},
        "data": {"kind": "folder", "path": str(faces_folder)},
        "export": {"targets": ["onnx"], "recipes": ["float"], "output": "dist"},
        "profile": {"timing": {"min_runs": 20, "min_seconds": 0.0, "warmups": 2}},
    }
    path = tmp_path_factory.mktemp("project") / "fer-deploy.toml"
    path.write_text(tomli_w.dumps(document))
    return path


@pytest.fixture(scope="module")
def report(config: Path) -> fd.Report:
    return fd.run(str(config))


def said(*arguments: object) -> Any:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    return json.loads(result.stdout)


def test_an_artifact_lives_in_a_temporary_folder_as_long_as_it_does(
    trained_model: Model, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = fd.export(trained_model, "onnx", "float", separable_faces(16, 5))
    root = made.folder.parent
    assert made.key == "onnx-float"
    assert made.file.is_file()
    assert "Artifact onnx-float of edges" in repr(made)
    assert made.predict(np.zeros((SIZE, SIZE), dtype=np.uint8)).label in LABELS
    kept = made.save(str(tmp_path / "kept" / "net"))
    del made
    gc.collect()
    assert not root.exists()
    assert fd.open_artifact(str(tmp_path / "kept" / "net")).info == kept.info
    assert capfd.readouterr().out == ""


def test_an_artifact_goes_where_it_is_told(
    model_folder: Path, config: Path, tmp_path: Path, artifact: Artifact
) -> None:
    made = fd.export(str(model_folder), recipe="fp32", output=str(tmp_path), config=config)
    assert made.folder == tmp_path / "onnx-float"
    with pytest.raises(fd.FerDeployError, match="holds other files"):
        artifact.save(tmp_path)
    assert artifact.save(artifact.folder).folder == artifact.folder
    assert artifact.save(made.folder).key == "onnx-w8a8-ptq"


def test_a_failed_export_leaves_no_temporary_folder(
    trained_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one_class = np.repeat(separable_faces(1, 0).pixels, 8, axis=0)
    with pytest.raises(fd.FerDeployError, match="one class only"):
        fd.export(trained_model, calibration=one_class)
    with pytest.raises(fd.FerDeployError, match="unknown target"):
        fd.export(trained_model, "onxx")
    monkeypatch.setattr("fer_deploy.pipeline.exports.export_plan", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fd.export(trained_model, recipe="float")
    assert list(tmp_path.iterdir()) == []


def test_a_prediction_is_the_command_s(artifact: Artifact, trained_model: Model, tmp_path: Path) -> None:
    pixels = separable_faces(4, 9).pixels[2, 0]
    path = tmp_path / "face.png"
    Image.fromarray(pixels).save(path)
    told = said("predict", path, "--artifact", artifact.folder, "--json")
    shares = {one["label"]: one["probability"] for one in told["classes"]}
    for given in (str(path), path, pixels, np.stack([pixels] * 3, axis=-1), Image.fromarray(pixels)):
        answer = artifact.predict(given)
        assert answer.label == told["top"] == "top"
        assert answer.probabilities == pytest.approx(shares)
        assert list(answer.probabilities) == list(LABELS)
        assert (str(answer.logits.dtype), answer.logits.shape) == ("float32", (4,))
    assert fd.predict(trained_model, path).label == "top"
    assert repr(answer).startswith("Prediction top: top ")


def test_an_artifact_that_has_predicted_can_be_copied(artifact: Artifact) -> None:
    artifact.predict(np.zeros((SIZE, SIZE), dtype=np.uint8))
    assert pickle.loads(pickle.dumps(artifact)) == copy.deepcopy(artifact) == artifact


def test_a_comparison_is_the_command_s(
    artifact: Artifact, trained_model: Model, faces_folder: Path, config: Path
) -> None:
    told = said("compare", trained_model.source, artifact.folder, "--dataset", "folder", "--data", faces_folder,
                "--json")  # fmt: skip
    found = fd.compare(trained_model, artifact, config=str(config))
    assert json.loads(found.model_dump_json()) == told
    assert fd.compare(trained_model.source, artifact.folder, faces_folder, images=8).images == 8
    assert repr(found).startswith("Comparison on 80 images")
    html = found._repr_html_()
    assert html is not None
    assert "SQNR of the logits" in html


def test_a_run_returns_what_it_wrote(report: fd.Report, config: Path) -> None:
    path = config.parent / "dist" / "edges" / "report.json"
    assert fd.load_report(str(path)) == report
    assert report.command == f'fer_deploy.run("{config}")'


@pytest.mark.usefixtures("without_pictures")
def test_a_check_is_the_command_s(report: fd.Report, config: Path) -> None:
    path = config.parent / "dist" / "edges" / "report.json"
    told = said("check", path, "--config", config, "--max-accuracy-drop", 0.5, "--json")
    for given in (report, path, str(path), None):
        found = fd.check(given, config=config, max_accuracy_drop=0.5)
        kept = json.loads((path.parent / "check.json").read_text())
        assert kept == json.loads(found.model_dump_json())
        assert {**kept, "created": ""} == {**told, "created": ""}
    before = (path.parent / "check.json").read_bytes()
    strict = fd.check(report, config=fd.load_config(str(config)), write=False, max_size_kb=np.float64(1))
    assert strict.outcome == "fail"
    assert "size of onnx-float" in repr(strict)
    assert (path.parent / "check.json").read_bytes() == before


def test_a_report_whose_file_is_another_s_by_now_is_refused(report: fd.Report, config: Path) -> None:
    other = report.model_copy(update={"command": "another"})
    with pytest.raises(fd.FerDeployError, match="another report by now"):
        fd.check(other, config=config, max_accuracy_drop=0.5)


_A = np.zeros((2, 2), dtype=np.uint8)
_REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "export": (lambda: fd.export(3), "model is a .*, got int"),  # type: ignore[arg-type]
    "target": (lambda: fd.export("models/fer_s", 3), "target is a name, got int"),  # type: ignore[arg-type]
    "output": (lambda: fd.export("models/fer_s", output=3), "output is a path, got int"),  # type: ignore[arg-type]
    "load_model": (lambda: fd.load_model(3), "model is a .*, got int"),  # type: ignore[arg-type]
    "contract": (lambda: fd.load_model("a.pt2", 3), "contract is a path, got int"),  # type: ignore[arg-type]
    "predict": (lambda: fd.predict(3, _A), "subject is a .*, got int"),  # type: ignore[arg-type]
    "first": (lambda: fd.compare(None, "b"), "first is a .*, got NoneType"),  # type: ignore[arg-type]
    "run": (lambda: fd.run(3), "config, .*, is a path, got int"),  # type: ignore[arg-type]
    "override": (lambda: fd.run("x.toml", target="onnx"), "did you mean 'targets'"),
    "check": (lambda: fd.check(3, max_accuracy_drop=1), "report, .* is a path, got int"),  # type: ignore[arg-type]
    "limit": (lambda: fd.check("r", max_acuracy_drop=1), "did you mean 'max_accuracy_drop'"),
    "no limit": (lambda: fd.check("r", xyz=1), "known: min_accuracy, max_accuracy_drop"),
    "value": (lambda: fd.check("r", max_accuracy_drop="1"), "limit max_accuracy_drop"),  # type: ignore[arg-type]
    "true": (lambda: fd.check("r", max_accuracy_drop=True), "limit max_accuracy_drop"),
    "nan": (lambda: fd.check("r", max_accuracy_drop=float("nan")), "limit max_accuracy_drop"),
    "range": (lambda: fd.check("r", max_flips=101), "limit max_flips"),
    "accept": (lambda: fd.check("r", accept="emulate"), "did you mean 'emulated'"),
    "load_report": (lambda: fd.load_report(3), "path is a path, got int"),  # type: ignore[arg-type]
    "open_artifact": (lambda: fd.open_artifact(None), "folder is a path, got NoneType"),  # type: ignore[arg-type]
    "load_config": (lambda: fd.load_config(3), "config is a path, got int"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", _REFUSED)
def test_a_wrong_argument_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    call, words = _REFUSED[name]
    with pytest.raises(ArgumentError, match=words) as caught:
        call()
    assert isinstance(caught.value, fd.FerDeployError)
    assert isinstance(caught.value, TypeError)
    assert "\n" not in str(caught.value)
