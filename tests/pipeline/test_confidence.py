"""A fitted confidence is in the contract, in every artifact, and in what each of them says of a picture."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from fer_deploy.cli import main
from fer_deploy.contract import load_contract
from fer_deploy.model import load_model
from fer_deploy.targets.artifact import open_artifact
from fer_deploy.targets.prediction import softmax
from fixtures.outside import Outside


@pytest.fixture(scope="module")
def fitted(model_folder: Path, faces_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("confidence") / "edges"
    shutil.copytree(model_folder, folder)
    arguments = ["confidence", str(folder), "--dataset", "folder", "--data", str(faces_folder)]
    result = CliRunner().invoke(main, [*arguments, "--coverage", "0.5"])
    assert result.exit_code == 0, result.output
    for words in ("temperature", "unsure below", "calibration error", "accuracy of the answered"):
        assert words in result.output
    return folder


def test_only_the_contract_changed(fitted: Path, model_folder: Path) -> None:
    before, after = load_model(model_folder), load_model(fitted)
    assert before.contract.confidence is None
    sure = after.contract.confidence
    assert sure is not None
    assert sure.coverage == 0.5
    assert "held-out tenth" in sure.fitted_on or "validation" in sure.fitted_on
    assert after.contract.model_copy(update={"confidence": None}) == before.contract
    assert after.contract.sha256 != before.contract.sha256
    assert after.weights_sha256 == before.weights_sha256


def test_an_artifact_and_the_model_say_the_same_of_a_picture(fitted: Path, tmp_path: Path) -> None:
    arguments = ["export", "--model", str(fitted), "--target", "onnx", "--recipe", "float"]
    result = CliRunner().invoke(main, [*arguments, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    (folder,) = tmp_path.glob("**/onnx-float")
    artifact, model = open_artifact(folder), load_model(fitted)
    assert artifact.info.contract == model.contract
    picture = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(picture)
    said = [
        json.loads(CliRunner().invoke(main, ["predict", str(picture), *named, "--json"]).stdout)
        for named in (("--model", str(fitted)), ("--artifact", str(folder)))
    ]
    assert said[0]["unsure"] == said[1]["unsure"]
    assert said[0]["top"] == said[1]["top"]
    for one in said:
        assert one["temperature"] == model.contract.temperature
        logits = np.array([[row["logit"] for row in one["classes"]]], dtype=np.float32)
        shares = softmax(logits, model.contract.temperature)[0]
        assert [row["probability"] for row in one["classes"]] == pytest.approx(shares.tolist(), abs=1e-6)
        assert one["unsure"] == (shares.max() < model.contract.unsure_below)


def test_no_face_and_unsure_are_said(fitted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "doubtful"
    shutil.copytree(fitted, folder)
    text = (folder / "model.toml").read_text()
    sure = load_model(fitted).contract.confidence
    assert sure is not None
    # So flat that no class of four can reach 99.99 %.
    text = text.replace(f"temperature = {sure.temperature}", "temperature = 100.0")
    text = text.replace(f"unsure_below = {sure.unsure_below}", "unsure_below = 0.9999")
    assert sure.no_face is not None
    above = f"above = {sure.no_face.above}"
    assert above in text
    (folder / "model.toml").write_text(text.replace(above, "above = 1e-12"))
    picture = tmp_path / "face.png"
    Image.new("L", (64, 64), 128).save(picture)
    result = CliRunner().invoke(main, ["predict", str(picture), "--model", str(folder)])
    assert "no face: probability" in result.output, result.output
    assert "Prediction no face (" in repr(_predict(folder, picture))
    (folder / "model.toml").write_text(text.replace(above, "above = 0.999999999999"))
    result = CliRunner().invoke(main, ["predict", str(picture), "--model", str(folder)])
    assert "unsure: no label reaches 100.0%" in result.output, result.output
    assert "unsure, most probably" in repr(_predict(folder, picture))


def _predict(folder: Path, picture: Path) -> object:
    from fer_deploy.measure.subject import open_subject

    return open_subject(str(folder)).predict(picture)


@pytest.mark.parametrize("kind", ["factory", "exported program"])
def test_a_network_that_is_no_folder_of_ours_is_fitted_too(
    separable_model: Outside, faces_folder: Path, tmp_path: Path, kind: str
) -> None:
    """Its own contract file gets the table, keeps its comments, and its artifacts say what it says."""
    file = tmp_path / "separable.toml"
    file.write_text("# our app's\n" + separable_model.contract_file.read_text())
    if kind == "factory":
        model, named = separable_model.reference, ["--contract", str(file)]
        named += ["--weights", str(separable_model.weights_file)]
    else:
        model, named = str(tmp_path / "separable.pt2"), []
        picture = torch.zeros(1, 1, 24, 24)
        torch.export.save(torch.export.export(separable_model.model.network, (picture,)), model)
    arguments = ["confidence", model, *named, "--dataset", "folder", "--data", str(faces_folder)]
    result = CliRunner().invoke(main, [*arguments, "--coverage", "0.5"])
    assert result.exit_code == 0, result.output
    assert f"{file}: temperature" in result.output
    assert file.read_text().startswith("# our app's\n")
    sure = load_contract(file).confidence
    assert sure is not None
    assert sure.no_face is not None
    assert len(sure.no_face.weights) == len(separable_model.model.contract.labels)
    arguments = ["export", "--model", model, *named, "--target", "onnx", "--recipe", "float"]
    result = CliRunner().invoke(main, [*arguments, "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    (folder,) = tmp_path.glob("out/**/onnx-float")
    assert open_artifact(folder).info.contract.confidence == sure


def test_drawn_faces_and_what_is_no_model_are_refused(fitted: Path) -> None:
    result = CliRunner().invoke(main, ["confidence", str(fitted), "--dataset", "sample"])
    assert result.exit_code == 2
    assert "is drawn by code" in result.output
    result = CliRunner().invoke(main, ["confidence", "examples.own:make"])
    assert result.exit_code == 2
    assert "needs --contract FILE.toml" in result.output
    result = CliRunner().invoke(main, ["confidence", "nothing"])
    assert result.exit_code == 2
    assert "is none of: a folder with model.toml" in result.output


@pytest.mark.parametrize("wrong", ["temperature = 0", "temperature = 1\nunsure_below = 1"])
def test_a_contract_that_cannot_be_is_refused(fitted: Path, tmp_path: Path, wrong: str) -> None:
    folder = tmp_path / "wrong"
    shutil.copytree(fitted, folder)
    text = (folder / "model.toml").read_text()
    head = text[: text.index("[contract.confidence]")]
    tail = text[text.index("[architecture]") :]
    (folder / "model.toml").write_text(f'{head}[contract.confidence]\n{wrong}\nfitted_on = "x"\n\n{tail}')
    result = CliRunner().invoke(main, ["predict", "x.png", "--model", str(folder)])
    assert result.exit_code == 2
    assert "contract.confidence" in result.output or "confidence." in result.output
