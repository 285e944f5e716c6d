"""Students as files: the committed ones, and the models that they open as."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from fer_deploy.cli import main
from fer_deploy.errors import ModelError
from fer_deploy.model import load_model
from fer_deploy.train.family.recipe import FamilyRecipe, load_family_recipe
from fer_deploy.train.family.student_file import (
    go_on_from,
    load_student,
    recipe_digest,
    split_student,
    write_students,
)
from fer_deploy.zoo import build
from fixtures.family import COMMITTED

STUDENTS = COMMITTED.parent / "students"


@pytest.fixture
def student(tiny: FamilyRecipe, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    weights = {f"fer_xs/3|{name}": value for name, value in build("fer_xs", 16).state_dict().items()}
    (file,) = write_students(weights, tiny, 2.0, {"fer_xs/3": {"ferplus": 0.5}}, tmp_path)
    return file


@pytest.mark.parametrize(
    ("head", "rows"),
    [("ferplus", [*range(8)]), ("fer2013", [*range(8, 15)]), ("fer2013_5", [8, 11, 12, 13, 14])],
)
def test_a_split_model_answers_with_the_students_rows(
    student: Path, tmp_path: Path, head: str, rows: list[int]
) -> None:
    result = CliRunner().invoke(main, ["split-student", str(student), str(tmp_path / "out"), "--head", head])
    assert result.exit_code == 0, result.output
    model = load_model(tmp_path / "out")
    _, network = load_student(student)
    batch = torch.randn(4, 1, 48, 48, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(model.network(batch), network(batch)[:, rows], rtol=1e-5, atol=1e-6)
    like = {"ferplus": "fer_s", "fer2013": "fer_s_fer2013", "fer2013_5": "fer_s_fer2013"}
    shipped = load_model(COMMITTED.parents[1] / like[head])
    if head == "fer2013_5":
        assert model.contract.labels == tuple(shipped.contract.labels[row - 8] for row in rows)
    else:
        assert model.contract.labels == shipped.contract.labels
    assert model.contract.input == shipped.contract.input
    assert model.contract.trained_on.split == shipped.contract.trained_on.split


def test_a_files_bytes_depend_on_its_content_alone(student: Path, tiny: FamilyRecipe, tmp_path: Path) -> None:
    weights = {f"fer_xs/3|{name}": value for name, value in load_file(student).items()}
    (again,) = write_students(weights, tiny, 2.0, {"fer_xs/3": {"ferplus": 0.5}}, tmp_path / "again")
    assert again.read_bytes() == student.read_bytes()


def test_a_missing_a_damaged_and_a_foreign_file_are_refused(student: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        split_student(tmp_path / "no.safetensors", "ferplus", tmp_path / "out")
    damaged, foreign = tmp_path / "damaged.safetensors", tmp_path / "foreign.safetensors"
    damaged.write_bytes(student.read_bytes()[:-5])
    with pytest.raises(ModelError, match="cannot be read"):
        load_student(damaged)
    save_file(load_file(student), foreign)
    with pytest.raises(ModelError, match="no student of train-family"):
        load_student(foreign)
    save_file(load_file(student), foreign, {"fer_deploy.student": "{}"})
    with pytest.raises(ModelError, match="is not valid"):
        load_student(foreign)


def test_a_student_without_all_its_logits_is_refused(student: Path, tmp_path: Path) -> None:
    state = load_file(student)
    state["classifier.bias"] = state["classifier.bias"][:14].clone()
    file = tmp_path / "short.safetensors"
    save_file(state, file, {"fer_deploy.student": _entry(student)})
    with pytest.raises(ModelError, match=r"no classifier\.bias of 15 or 16 rows"):
        load_student(file)


def _entry(file: Path) -> str:
    info, _ = load_student(file)
    return info.model_dump_json()


def test_the_committed_students_are_the_recipes() -> None:
    recipe = load_family_recipe(COMMITTED)
    lines = (STUDENTS / "SHA256SUMS").read_text().splitlines()
    listed = {file: digest for digest, file in (line.split("  ", 1) for line in lines)}
    wanted = {f"{name}-{seed}" for name in recipe.students.architectures for seed in recipe.students.seeds}
    assert {file.removesuffix(".safetensors") for file in listed} == wanted
    for file, digest in listed.items():
        assert hashlib.sha256((STUDENTS / file).read_bytes()).hexdigest() == digest
        info, _ = load_student(STUDENTS / file)
        assert f"{info.architecture}-{info.seed}.safetensors" == file
        assert info.recipe_sha256 == recipe_digest(recipe)
        assert info.input == recipe.input


def test_the_students_of_clean_views_say_where_they_come_from_and_open() -> None:
    recipe = load_family_recipe(COMMITTED.with_name("tune.toml"))
    assert recipe.students.start is not None
    for architecture in recipe.students.architectures:
        info, network = load_student(recipe.students.start / f"{architecture}-0.safetensors")
        assert "outside this project" in info.note
        assert network(torch.zeros(2, 1, 48, 48)).shape == (2, 15)


def test_a_student_goes_on_with_what_it_has(student: Path, tmp_path: Path) -> None:
    state = load_file(student)
    for name in ("classifier.weight", "classifier.bias"):
        state[name] = state[name][:15].clone()
    file = tmp_path / "clean.safetensors"
    save_file(state, file, {"fer_deploy.student": _entry(student)})
    network = build("fer_xs", 16)
    drawn = network.get_parameter("classifier.bias")[15].item()
    go_on_from(network, file, "fer_xs")
    assert torch.equal(network.get_parameter("classifier.weight")[:15], state["classifier.weight"])
    assert network.get_parameter("classifier.bias")[15].item() == drawn
    with pytest.raises(ModelError, match="is a fer_xs, not a fer_s"):
        go_on_from(build("fer_s", 16), file, "fer_s")
