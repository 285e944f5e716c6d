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


@pytest.mark.parametrize(
    "path", sorted(SHIPPED.parents[1].glob("*/train.toml")), ids=lambda path: path.parent.name
)
def test_every_shipped_recipe_can_be_built(path: Path) -> None:
    recipe = load_recipe(path)
    network = recipe.architecture.build(8, recipe.input.channels)
    assert sum(one.numel() for one in network.parameters()) < 1_000_000
    named = [*(recipe.teacher.models if recipe.teacher else ()), *([recipe.init] if recipe.init else [])]
    for folder in named:
        assert (folder / "train.toml").is_file(), (
            "a recipe may start from, or learn from, what can be trained here"
        )


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
        ("mixup = -0.1\n" + MINIMAL, "mixup: "),
        ("images_per_epoch = 0\n" + MINIMAL, "images_per_epoch: "),
        (MINIMAL + "[teacher]\nmodels = []\n", "teacher.models: "),
        (MINIMAL + "[teacher]\nmodels = 3\n", "teacher.models: "),
        (MINIMAL + "[teacher]\nmodels = ['m']\nweight = 0\n", "teacher.weight: "),
        ("init = 3\n" + MINIMAL, "init: "),
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
