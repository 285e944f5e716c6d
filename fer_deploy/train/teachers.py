"""Trained models that a training run starts from or learns from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_deploy.contract import InputSpec
from fer_deploy.errors import TrainingError
from fer_deploy.model import load_model
from fer_deploy.train.normalise import normalised
from fer_deploy.train.recipe import TeacherSpec, TrainRecipe


class Teachers:
    """One trained model or an ensemble, frozen."""

    def __init__(
        self, spec: TeacherSpec, labels: tuple[str, ...], student: InputSpec, device: torch.device
    ) -> None:
        """Load the models.

        Raises:
            ModelError: one of them cannot be loaded.
            TrainingError: one of them has other labels, or pixels of another size or colour.
        """
        self.models = [load_model(folder) for folder in spec.models]
        for model in self.models:
            theirs = model.contract.input
            if model.contract.labels != labels or theirs.shape != student.shape:
                raise TrainingError(
                    f"teacher {model.source} answers {len(model.contract.labels)} labels on inputs of "
                    f"{list(theirs.shape)}, the student {len(labels)} on {list(student.shape)}; "
                    "a teacher needs the student's labels and input"
                )
            model.network.to(device).requires_grad_(False)
        self.temperature = spec.temperature

    @property
    def weights_sha256(self) -> list[str]:
        """Digests of the models' weights: a run goes on with the same teachers only."""
        return [model.weights_sha256 for model in self.models]

    @torch.no_grad()
    def probabilities(self, pixels: Tensor) -> Tensor:
        """Return the mean softened answer, float32 (N, K), to pixels float32 (N, C, H, W) in 0..255."""
        answers = [
            F.softmax(model.network(normalised(pixels, model.contract.input)) / self.temperature, dim=1)
            for model in self.models
        ]
        return torch.stack(answers).mean(0)


def warm_start(network: nn.Module, recipe: TrainRecipe, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Copy the weights of ``recipe.init`` into ``network``; return the names of those that it has to learn anew.

    The classifier is learned anew where the labels differ; everything else must fit.

    Raises:
        ModelError: the folder cannot be loaded.
        TrainingError: it holds another architecture.
    """
    if recipe.init is None:
        return ()
    source = load_model(recipe.init)
    mine, theirs = network.state_dict(), source.network.state_dict()
    other_labels = source.contract.labels != labels
    anew = tuple(name for name in mine if other_labels and name.startswith("classifier."))
    unfit = sorted(
        name
        for name in (mine.keys() | theirs.keys()) - set(anew)
        if name not in mine or name not in theirs or mine[name].shape != theirs[name].shape
    )
    if unfit:
        raise TrainingError(
            f"init {recipe.init} is not a {recipe.architecture.label} for {recipe.input.color} input: "
            f"{len(unfit)} weight(s) do not fit, first {unfit[0]}; name a model of the same architecture"
        )
    network.load_state_dict({name: mine[name] if name in anew else theirs[name] for name in mine})
    return anew
