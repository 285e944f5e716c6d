from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.errors import TrainingError
from fer_deploy.train.recipe import load_recipe

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "fer_s" / "train.toml"
MINIMAL = """
[architecture]
name = "fer_xs"
[input]
height = 48
width = 48
color = "grey"
mean = [128.0]
std = [64.0]
"""


def test_shipped_recipe_is_the_shipped_models() -> None:
    from fer_deploy.model import load_model

    recipe = load_recipe(SHIPPED)
    model = load_model(SHIPPED.parent)
    assert recipe.input == model.contract.input
    assert recipe.architecture.name == "fer_s"


def test_defaults(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text(MINIMAL)
    recipe = load_recipe(path)
    assert recipe.augment.flip
    assert recipe.seed == 0
    assert load_recipe(path) == recipe


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "architecture: Field required"),
        ("[", "is not valid TOML"),
        ("epochs = 0\n" + MINIMAL, "epochs: "),
        ("batch_size = 1\n" + MINIMAL, "batch_size: "),
        ("learning_rate = 0\n" + MINIMAL, "learning_rate: "),
        ("learning_rate = inf\n" + MINIMAL, "learning_rate: "),
        ("learning_rate = nan\n" + MINIMAL, "learning_rate: "),
        ("momentum = 1.0\n" + MINIMAL, "momentum: "),
        ("ema_decay = 1.0\n" + MINIMAL, "ema_decay: "),
        ("seed = -1\n" + MINIMAL, "seed: "),
        ("seed = 99999999999999999\n" + MINIMAL, "seed: "),
        ("colour = 1\n" + MINIMAL, "colour: Extra inputs"),
        (MINIMAL + "[augment]\nrotation = 91\n", "augment.rotation: "),
        (MINIMAL + "[augment]\nerase = 1.5\n", "augment.erase: "),
    ],
)
def test_refusals(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "train.toml"
    path.write_text(text)
    with pytest.raises(TrainingError) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"training recipe .*none\.toml does not exist"):
        load_recipe(tmp_path / "none.toml")
