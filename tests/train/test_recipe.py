from __future__ import annotations

from pathlib import Path

import pytest

from fer_deploy.errors import TrainingError
from fer_deploy.train.recipe import load_recipe

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "studies" / "votes" / "fer_s" / "train.toml"
RECIPES = sorted((ROOT / "models").rglob("*.toml")) + sorted((ROOT / "studies").rglob("train.toml"))
# models/family's recipes are of another kind, and tested with it.
RECIPES = [
    path
    for path in RECIPES
    if path.name not in ("model.toml", "train-family.toml") and path.parent.name != "family"
]
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


def written_by(text: str) -> list[Path]:
    """Return the model folders that the commands in a recipe's comments write."""
    words = text.split()
    return [ROOT / words[index + 1] for index, word in enumerate(words) if word == "--output"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_committed_recipe_can_be_built(path: Path) -> None:
    recipe = load_recipe(path)
    network = recipe.architecture.build(8, recipe.input.channels)
    if path.parent.name != "teacher":  # the one that is not to be shipped
        assert sum(one.numel() for one in network.parameters()) < 1_000_000
    named = [*(recipe.teacher.models if recipe.teacher else ()), *([recipe.init] if recipe.init else [])]
    made = written_by(path.read_text())
    for folder in named:
        # What it starts from or learns from is made by its own first commands, or is a model of the zoo.
        assert (
            folder.resolve() in made or (folder / "model.toml").is_file() or (folder / "train.toml").is_file()
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
        ("init = 'm'\npretrained = 'imagenet'\n" + MINIMAL, "init and pretrained are both given"),
        ("seed = -1\n" + MINIMAL, "seed: "),
        ("seed = 99999999999999999\n" + MINIMAL, "seed: "),
        ("colour = 1\n" + MINIMAL, "colour: unknown key"),
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
