"""A whole family run on a CPU, a few steps long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from fer_deploy.cli import main
from fer_deploy.train.family.recipe import FamilyRecipe
from fer_deploy.train.family.run import train_family
from fer_deploy.train.family.student_file import load_student, recipe_digest
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


def test_command_names_the_missing_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["train-family", str(COMMITTED), "--data", str(tmp_path / "no.npz"), "--output", str(tmp_path)]
    )
    assert result.exit_code == 2
    assert "no.npz does not exist" in result.output
