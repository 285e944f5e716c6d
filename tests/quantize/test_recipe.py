from __future__ import annotations

import pytest

from fer_deploy.errors import ConfigError
from fer_deploy.quantize.recipe import RECIPES, parse_recipe


@pytest.mark.parametrize("name", list(RECIPES))
def test_names_decode(name: str) -> None:
    recipe = parse_recipe(name)
    assert recipe.name == name
    assert recipe.quantized == (recipe.method is not None)


@pytest.mark.parametrize(
    ("spelling", "name"), [("fp32", "float"), ("int8", "w8a8-ptq"), ("w8a8", "w8a8-ptq")]
)
def test_spellings(spelling: str, name: str) -> None:
    assert parse_recipe(spelling).name == name


@pytest.mark.parametrize("text", ["", "int7", "FLOAT", "w8a8-ptq "])
def test_unknown(text: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown recipe '{text}'.*; known: float, "):
        parse_recipe(text)
