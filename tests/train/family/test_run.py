"""A whole family run on a CPU, a few steps long."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from fer_deploy.cli import main
from fer_deploy.errors import TrainingError
from fer_deploy.files import sha256_of
from fer_deploy.train.family.recipe import FamilyRecipe, load_family_recipe
from fer_deploy.train.family.run import train_family
from fer_deploy.train.family.student_file import load_student, recipe_digest, write_students
from fer_deploy.train.family.teachers import KeptAnswers
from fer_deploy.zoo import build
from fixtures.family import COMMITTED, some_faces


@pytest.mark.slow
def test_run_writes_weights_that_load_into_the_zoo(tiny: FamilyRecipe, tmp_path: Path) -> None:
    training, validation = some_faces(17, 0), some_faces(12, 1)
    train_family(tiny, training, validation, tmp_path, at_most=None)
    weights = load_file(tmp_path / "students.safetensors")
    assert {name.split("|")[0] for name in weights} == {"fer_xs/0", "fer_xs/1"}
    mine = {name.split("|")[1]: value for name, value in weights.items() if name.startswith("fer_xs/0|")}
    build("fer_xs", 16).load_state_dict(mine)
    info, network = load_student(tmp_path / "students/fer_xs-1.safetensors")
    assert (info.seed, info.recipe_sha256) == (1, recipe_digest(tiny))
    assert torch.equal(network.state_dict()["classifier.bias"], weights["fer_xs/1|classifier.bias"])
    answers = load_file(tmp_path / "answers.safetensors")
    assert answers["answers"].shape == answers["mirrored"].shape == (17, 15)
    assert answers["answers"].float().sum(1) == pytest.approx(torch.full((17,), 2.0), abs=1e-2)
    assert answers["row"].tolist() == training.rows.tolist()
    assert (tmp_path / "teachers/vgg13_bn-101.safetensors").is_file()
    info = json.loads((tmp_path / "info.json").read_text())
    assert info["epochs"] == 2.0
    assert set(info["corrupted"]["fer_xs/0"]) == {"gaussian_noise_2", "gaussian_blur_3", "downscale_2"}
    assert [row["epoch"] for row in info["history"]] == [1, 2]
    assert "done" in (tmp_path / "train.log").read_text()


def test_students_go_on_with_the_answers_of_an_earlier_run(tiny: FamilyRecipe, tmp_path: Path) -> None:
    training, validation = some_faces(16, 0), some_faces(8, 1)
    torch.manual_seed(0)
    start = {f"fer_xs/1|{name}": value for name, value in build("fer_xs", 16).state_dict().items()}
    (first,) = write_students(start, tiny, 2.0, {"fer_xs/1": {"ferplus": 0.5}}, tmp_path / "start")
    answers = torch.full((16, 15), 1 / 8)
    kept = {"answers": answers, "mirrored": answers.clone(), "row": torch.arange(16).flip(0)}
    save_file(kept, tmp_path / "answers.safetensors")
    recipe = FamilyRecipe.model_validate(
        tiny.model_dump()
        | {
            "teachers": {"answers": tmp_path / "answers.safetensors"},
            "students": tiny.students.model_dump() | {"start": first.parent, "learning_rate": 1e-8},
        }
    )
    train_family(recipe, training, validation, tmp_path / "out", only=["fer_xs/1"])
    (file,) = (tmp_path / "out/students").iterdir()
    info, network = load_student(file)
    assert (info.seed, info.start_sha256) == (1, sha256_of(first))
    # So small a rate leaves the weights where they were.
    weight = network.get_parameter("classifier.weight")
    torch.testing.assert_close(weight, start["fer_xs/1|classifier.weight"], rtol=0, atol=1e-5)
    assert not (tmp_path / "out/teachers").exists()
    half = recipe.model_copy(
        update={"students": recipe.students.model_copy(update={"keep": 0.5, "learning_rate": 0.1})}
    )
    whole = half.model_copy(update={"students": half.students.model_copy(update={"keep": 0.0})})
    for name, one in (("half", half), ("whole", whole)):
        train_family(one, training, validation, tmp_path / name, only=["fer_xs/1"])
    moved, middle = (
        load_student(tmp_path / name / "students/fer_xs-1.safetensors")[1].state_dict()
        for name in ("whole", "half")
    )
    for name, value in middle.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (moved[name] + start[f"fer_xs/1|{name}"]) / 2)
    with pytest.raises(TrainingError, match="has no student fer_s/0; it has fer_xs/0, fer_xs/1"):
        train_family(recipe, training, validation, tmp_path / "out", only=["fer_s/0"])


def test_answers_about_other_images_are_refused(tmp_path: Path) -> None:
    file, answers = tmp_path / "answers.safetensors", torch.zeros(3, 15)
    save_file({"answers": answers, "mirrored": answers.clone(), "row": torch.tensor([5, 7, 9])}, file)
    known = KeptAnswers(file, np.array([9, 5]), torch.device("cpu"))
    assert known.about(torch.tensor([1])).shape == (1, 15)
    with pytest.raises(TrainingError, match="does not answer about 1 of 2 training images"):
        KeptAnswers(file, np.array([9, 6]), torch.device("cpu"))
    file.write_bytes(b"no tensors")
    with pytest.raises(TrainingError, match="holds no answers of train-family's teachers"):
        KeptAnswers(file, np.array([9]), torch.device("cpu"))


def test_a_recipe_names_teachers_or_their_answers(tmp_path: Path) -> None:
    text = COMMITTED.with_name("tune.toml").read_text()
    path = tmp_path / "tune.toml"
    path.write_text(text)
    assert load_family_recipe(path).teachers.answers == tmp_path / "clean/answers.safetensors"
    path.write_text(text.replace('answers = "clean/answers.safetensors"', ""))
    with pytest.raises(TrainingError, match="name either members to train or the answers of an earlier run"):
        load_family_recipe(path)


def test_command_names_the_missing_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["train-family", str(COMMITTED), "--data", str(tmp_path / "no.npz"), "--output", str(tmp_path)]
    )
    assert result.exit_code == 2
    assert "no.npz does not exist" in result.output
