"""A whole training run: a recipe in, a model folder out."""

from __future__ import annotations

from pathlib import Path

import torch

from fer_deploy.contract import Contract, TrainedOn
from fer_deploy.data.account import account_of
from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import open_dataset
from fer_deploy.model import save_model
from fer_deploy.progress import say
from fer_deploy.train.loop import Trained, Trainer, Watch
from fer_deploy.train.recipe import TrainRecipe

#: What each kind of dataset is called in a contract.
_NAMES = {
    "ferplus": "FER+",
    "fer2013": "FER2013",
    "fer2013_5": "FER2013, 5 classes",
    "rafdb": "RAF-DB",
    "rafdb5": "RAF-DB, 5 classes",
}


def train_model(
    recipe: TrainRecipe, work_dir: Path, output: Path, device: str = "cpu", threads: int | None = None
) -> Trained:
    """Train as ``recipe`` says, resuming from ``work_dir``, and write the model folder ``output``.

    Args:
        recipe: what to train and how.
        work_dir: holds ``checkpoint.pt`` and ``log.csv``.
        output: gets model.toml and model.safetensors; other files in it are kept.
        device: a torch device.
        threads: CPU threads; None for torch's choice.

    Raises:
        DataError: the dataset is missing or malformed.
        TrainingError: see :meth:`Trainer.run`.
        OutputError: a folder cannot be written.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    training = open_dataset(recipe.data, "train", None, recipe.input)
    validation = open_dataset(recipe.data, "validation", training.labels, recipe.input)
    for faces in (training, validation):
        say(f"{faces.name}: {account_of(faces).sentence}")
    return train_on(recipe, training, validation, work_dir, output, device)


def train_on(
    recipe: TrainRecipe,
    training: Faces,
    validation: Faces,
    work_dir: Path,
    output: Path,
    device: str = "cpu",
    watch: Watch | None = None,
) -> Trained:
    """Train on faces that are loaded already; everything else is as in :func:`train_model`.

    ``watch`` is told of every epoch; what it raises ends the run before ``output`` is written.
    """
    trained = Trainer(recipe, training, validation, work_dir, device).run(watch)
    contract = Contract(
        labels=training.labels,
        input=recipe.input,
        trained_on=TrainedOn(
            dataset=_NAMES.get(recipe.data.kind, f"folder {recipe.data.path}"),
            split=training.name,
            note=f"selected on {validation.name}",
        ),
    )
    save_model(output, trained.network, recipe.architecture, contract, {})
    return trained
