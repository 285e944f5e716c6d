from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fer_deploy.data.faces import Faces
from fer_deploy.errors import TrainingError
from fer_deploy.train import loop
from fer_deploy.train.epochs import learning_rate_at
from fer_deploy.train.loop import LOG_COLUMNS, AfterEpoch, Trained, Trainer
from fer_deploy.train.recipe import AugmentSpec, TrainRecipe
from fixtures.synthetic import separable_faces, tiny_recipe

AUGMENTED = tiny_recipe(epochs=3, augment=AugmentSpec(), mixup=0.3, images_per_epoch=72)
Train = Callable[[TrainRecipe, Path], Trained]


@pytest.fixture(scope="module")
def faces() -> tuple[Faces, Faces]:
    return separable_faces(96, 0), separable_faces(40, 1)


@pytest.fixture
def train(faces: tuple[Faces, Faces]) -> Train:
    return lambda recipe, folder: Trainer(recipe, *faces, folder).run()


@pytest.fixture(scope="module")
def uninterrupted(faces: tuple[Faces, Faces], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trainer(AUGMENTED, *faces, tmp_path_factory.mktemp("uninterrupted")).run()


def _assert_same(first: Trained, second: Trained) -> None:
    assert (first.best_epoch, first.best_accuracy) == (second.best_epoch, second.best_accuracy)
    mine, theirs = first.network.state_dict(), second.network.state_dict()
    assert mine.keys() == theirs.keys()
    different = [key for key in mine if not torch.equal(mine[key], theirs[key])]
    assert different == []


def test_same_seed_same_weights(train: Train, uninterrupted: Trained, tmp_path: Path) -> None:
    torch.rand(7)  # whatever the process drew before must not matter
    _assert_same(train(AUGMENTED, tmp_path), uninterrupted)


def test_other_seed_other_weights(train: Train, uninterrupted: Trained, tmp_path: Path) -> None:
    other = train(AUGMENTED.model_copy(update={"seed": 1}), tmp_path).network.state_dict()
    assert not torch.equal(
        other["classifier.weight"], uninterrupted.network.state_dict()["classifier.weight"]
    )


@pytest.mark.parametrize("epoch", [1, 2])
def test_resumed_run_equals_uninterrupted(
    train: Train, uninterrupted: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    class Killed(BaseException):
        pass

    ordinary = learning_rate_at

    def die_in_mid_epoch(step: int, steps: int, recipe: TrainRecipe) -> float:
        if step == epoch * steps + 1:
            raise Killed
        return ordinary(step, steps, recipe)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "learning_rate_at", die_in_mid_epoch)
        with pytest.raises(Killed):
            train(AUGMENTED, tmp_path)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + epoch
    torch.rand(3)
    _assert_same(train(AUGMENTED, tmp_path), uninterrupted)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + AUGMENTED.epochs


def test_finished_run_is_not_trained_again(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = train(AUGMENTED, tmp_path)
    capsys.readouterr()
    _assert_same(train(AUGMENTED, tmp_path), first)
    said = capsys.readouterr().err
    assert "train loss" not in said
    assert "all 3 epochs of the training are done" in said


def test_learns_and_logs(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tiny_recipe(epochs=14, batch_size=16)
    trained = train(recipe, tmp_path)
    assert trained.best_accuracy > 0.9
    assert not trained.network.training
    header, *rows = (tmp_path / "log.csv").read_text().splitlines()
    assert header == ",".join(LOG_COLUMNS)
    values = [[float(cell) for cell in row.split(",")] for row in rows]
    assert [row[0] for row in values] == list(range(14))
    assert values[-1][2] < values[0][2], "the training loss must fall"
    accuracies = [row[4] for row in values]
    assert trained.best_accuracy == pytest.approx(max(accuracies))
    assert trained.best_epoch == accuracies.index(max(accuracies)), "of equal epochs the first one"
    output = capsys.readouterr()
    assert output.out == ""
    assert "epoch 14/14: train loss" in output.err


def test_best_state_is_what_is_returned(train: Train, faces: tuple[Faces, Faces], tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=4)
    trained = train(recipe, tmp_path)
    _, accuracy = loop._evaluate(trained.network, faces[1], recipe.input, torch.device("cpu"))
    assert accuracy == trained.best_accuracy


def test_hard_labels_ignore_the_distribution(faces: tuple[Faces, Faces], tmp_path: Path) -> None:
    training, validation = faces
    blurred = Faces(
        name="blurred",
        labels=training.labels,
        pixels=training.pixels,
        targets=training.targets,
        distribution=training.distribution * 0.6 + 0.1,
        rows=training.rows,
        leaked=training.leaked,
    )
    runs = {}
    for soft in (True, False):
        for name, data in (("sharp", training), ("blurred", blurred)):
            recipe = tiny_recipe(epochs=1, soft_labels=soft)
            trained = Trainer(recipe, data, validation, tmp_path / f"{soft}-{name}").run()
            runs[soft, name] = trained.network.state_dict()["classifier.weight"]
    assert torch.equal(runs[False, "sharp"], runs[False, "blurred"])
    assert not torch.equal(runs[True, "sharp"], runs[True, "blurred"])


@pytest.mark.parametrize("change", [{"learning_rate": 0.04}, {"seed": 3}, {"epochs": 5}])
def test_checkpoint_of_another_recipe_is_refused(
    train: Train, tmp_path: Path, change: dict[str, object]
) -> None:
    train(tiny_recipe(epochs=1), tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(TrainingError, match="belongs to another recipe; use another --work-dir"):
        train(tiny_recipe(epochs=1).model_copy(update=change), tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_loss_that_is_not_finite_is_an_error(train: Train, tmp_path: Path) -> None:
    recipe = tiny_recipe(learning_rate=1e30, warmup_epochs=0, epochs=2)
    with pytest.raises(
        TrainingError, match=r"the loss is not finite in epoch \d+, step \d+; lower learning_rate"
    ):
        train(recipe, tmp_path)


def test_fewer_images_than_a_batch(faces: tuple[Faces, Faces], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"has 96 images an epoch, fewer than batch_size = 97"):
        Trainer(tiny_recipe(batch_size=97), *faces, tmp_path)
    with pytest.raises(TrainingError, match="has 8 images an epoch, fewer than batch_size = 16"):
        Trainer(tiny_recipe(batch_size=16, images_per_epoch=8), *faces, tmp_path)


@pytest.mark.parametrize("device", ["tpu", "cuda:99", ""])
def test_unusable_device(faces: tuple[Faces, Faces], tmp_path: Path, device: str) -> None:
    with pytest.raises(
        TrainingError, match=f"device '{device}' cannot be used: .*; try --device cpu"
    ) as caught:
        Trainer(tiny_recipe(), *faces, tmp_path, device)
    assert "\n" not in str(caught.value)


def test_checkpoint_from_before_an_option_goes_on(train: Train, tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=1)
    first = train(recipe, tmp_path)
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    stored = json.loads(state["recipe"])
    del stored["mixup"]
    torch.save(state | {"recipe": json.dumps(stored)}, path)
    _assert_same(train(recipe, tmp_path), first)


def test_images_per_epoch_are_drawn_anew(faces: tuple[Faces, Faces], tmp_path: Path) -> None:
    trainer = Trainer(tiny_recipe(epochs=1, batch_size=16, images_per_epoch=32), *faces, tmp_path)
    trainer.run()
    assert trainer.average.step == 2, "32 images are two steps of 16"
    whole = Trainer(tiny_recipe(epochs=1, batch_size=16, images_per_epoch=500), *faces, tmp_path / "whole")
    whole.run()
    assert whole.average.step == 6, "more than there are is all of them"


def test_a_watch_is_told_of_every_epoch_and_may_end_the_run(
    faces: tuple[Faces, Faces], tmp_path: Path, uninterrupted: Trained
) -> None:
    class Enough(Exception):
        pass

    seen: list[AfterEpoch] = []

    def stop_at_first(at: AfterEpoch) -> None:
        seen.append(at)
        raise Enough

    with pytest.raises(Enough):
        Trainer(AUGMENTED, *faces, tmp_path).run(stop_at_first)
    again: list[AfterEpoch] = []
    trained = Trainer(AUGMENTED, *faces, tmp_path).run(again.append)
    assert [at.epochs for at in again] == list(range(1, AUGMENTED.epochs + 1))
    assert again[0] == seen[0]
    assert max(at.accuracy for at in again) == trained.best_accuracy
    assert again[-1].seconds == pytest.approx(trained.seconds)
    _assert_same(trained, uninterrupted)
