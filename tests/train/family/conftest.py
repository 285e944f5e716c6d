"""A tiny family: two students and one teacher."""

from __future__ import annotations

import pytest

from fer_deploy.train.family.recipe import FamilyRecipe, load_family_recipe
from fixtures.family import COMMITTED


@pytest.fixture
def tiny() -> FamilyRecipe:
    recipe = load_family_recipe(COMMITTED)
    teacher = recipe.teachers.members[1].model_copy(update={"epochs": 1})
    students = recipe.students.model_copy(
        update={"architectures": ("fer_xs",), "seeds": (0, 1), "epochs": 2, "non_faces": 4}
    )
    return recipe.model_copy(
        update={
            "batch_size": 8,
            "evaluate_every": 1,
            "teachers": recipe.teachers.model_copy(update={"members": (teacher,)}),
            "students": students,
        }
    )
