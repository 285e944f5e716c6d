"""A card of a family's student says which one it is, and with what it was trained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fer_deploy.files import sha256_of
from fer_deploy.train.family.recipe import load_family_recipe
from fer_deploy.train.family.student_file import FAMILY_RECIPE_FILE, read_split, recipe_digest

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted(path.parent for path in (ROOT / "models").glob("*/student.json"))


@pytest.mark.parametrize("folder", MODELS, ids=lambda path: path.name)
def test_a_shipped_model_names_the_student_that_lies_here(folder: Path) -> None:
    origin = read_split(folder)
    assert origin is not None
    assert sha256_of(ROOT / origin.file) == origin.sha256
    card = (folder / "card.md").read_text(encoding="utf-8")
    line = f"fer-deploy split-student {origin.file} models/{folder.name} --head {origin.head}"
    assert line in card
    assert f"seed {origin.student.seed}, after {origin.student.epochs} epochs" in card
    recipe = folder / FAMILY_RECIPE_FILE
    if origin.student.note:
        assert "outside this project" in card
        assert not recipe.is_file()
    else:
        assert recipe_digest(load_family_recipe(recipe)) == origin.student.recipe_sha256
        assert recipe.read_text(encoding="utf-8").strip() in card
    if (folder / "before").is_dir():
        before = read_split(folder / "before")
        assert before is not None
        assert before.sha256 == origin.student.start_sha256
        assert re.search(r"\| \| in training \| before \| float \|", card)


def test_every_shipped_model_is_such_a_student() -> None:
    assert {path.parent for path in (ROOT / "models").glob("*/model.toml")} == set(MODELS)
