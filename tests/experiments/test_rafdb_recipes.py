"""RAF-DB is not here: its recipes run on files in its official layout that are made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_deploy.data.rafdb import RAFDB5_LABELS, RAFDB_LABELS
from fer_deploy.data.registry import DatasetSpec
from fer_deploy.model import load_model
from fer_deploy.pipeline.evaluate import evaluate
from fer_deploy.train.recipe import load_recipe
from fer_deploy.train.run import train_model

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def rafdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RAF-DB's layout with 140 training and 28 test images: stripes whose period is the class."""
    root = tmp_path_factory.mktemp("rafdb")
    (root / "EmoLabel").mkdir()
    (root / "Image" / "aligned").mkdir(parents=True)
    random = np.random.default_rng(0)
    lines = []
    for split, digits, count in (("train", 5, 140), ("test", 4, 28)):
        for number in range(count):
            label = number % 7 + 1
            stripes = 128 + 100 * np.sin(np.arange(100) * 2 * np.pi * label / 50)
            pixels = stripes[None, :, None] + random.normal(0, 10, (100, 100, 3))
            name = f"{split}_{number + 1:0{digits}}"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                root / "Image" / "aligned" / f"{name}_aligned.jpg"
            )
            lines.append(f"{name}.jpg {label}")
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("fer_s_rafdb", "rafdb", RAFDB_LABELS),
        pytest.param("fer_s_rafdb5", "rafdb5", RAFDB5_LABELS, marks=pytest.mark.slow),
    ],
)
def test_recipe_runs_end_to_end(
    rafdb: Path, tmp_path: Path, name: str, kind: str, labels: tuple[str, ...]
) -> None:
    recipe = load_recipe(MODELS / name / "train.toml", rafdb)
    assert (recipe.data.kind, recipe.data.path) == (kind, rafdb)
    short = recipe.model_copy(update={"epochs": 1, "batch_size": 16, "ema_decay": 0.5})
    trained = train_model(short, tmp_path / "run", tmp_path / name, threads=1)
    model = load_model(tmp_path / name)
    assert model.contract.labels == labels
    assert "RAF-DB" in model.contract.trained_on.dataset
    faces, figures = evaluate(
        str(tmp_path / name), None, None, DatasetSpec.model_validate({"kind": kind, "path": rafdb}), "test"
    )
    assert len(faces) == 28 * len(labels) // 7
    assert figures.accuracy.value is not None
    assert 0 <= trained.best_accuracy <= 1


def test_recipe_without_data_says_what_is_missing(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from fer_deploy.cli import main

    recipe = str(MODELS / "fer_s_rafdb" / "train.toml")
    arguments = ["train", recipe, "--work-dir", str(tmp_path / "run"), "--output", str(tmp_path / "net")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "rafdb" in result.stderr
    assert "Traceback" not in result.stderr
