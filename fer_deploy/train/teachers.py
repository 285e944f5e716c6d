"""Trained models that a training run starts from or learns from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fer_deploy.contract import InputSpec
from fer_deploy.errors import TrainingError
from fer_deploy.files import write_atomic
from fer_deploy.model import load_model
from fer_deploy.progress import say, track
from fer_deploy.train.augment import normalised
from fer_deploy.train.pretrained import load_imagenet
from fer_deploy.train.recipe import TeacherSpec, TrainRecipe

_BATCH = 256


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
            model.network.to(device, memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]
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

    def asked_once(self, pixels: Tensor, mirrored: bool, file: Path) -> Tensor:
        """Return the answers to each image, or their mean with those to its mirror image, float32 (N, K) on the CPU.

        Args:
            pixels: uint8 (N, C, H, W); what augmentation will do to them later does not change the answer.
            mirrored: ask about the mirror images too; only where a mirror image has the same label.
            file: keeps the answers, for a run that is resumed; a damaged file, and answers of other teachers or to
                other images, are replaced.
        """
        digest = hashlib.sha256(pixels.numpy().tobytes()).hexdigest()
        asked = {"asked": json.dumps([self.weights_sha256, self.temperature, mirrored, digest])}
        kept = _kept_answers(file, asked)
        if kept is not None:
            return kept
        answers = self._answers(pixels, mirrored)
        write_atomic(file, save({"answers": answers}, asked))
        return answers

    def _answers(self, pixels: Tensor, mirrored: bool) -> Tensor:
        device = next(self.models[0].network.parameters()).device
        answers = []
        for start in track(range(0, len(pixels), _BATCH), "asking the teachers"):
            batch = pixels[start : start + _BATCH].to(device).float()
            answer = self.probabilities(batch)
            if mirrored:
                answer = (answer + self.probabilities(batch.flip(3))) / 2
            answers.append(answer.cpu())
        return torch.cat(answers)


def _kept_answers(file: Path, asked: dict[str, str]) -> Tensor | None:
    """Return the answers in ``file`` if it holds those to ``asked``."""
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as stored:
            if stored.metadata() != asked:
                return None
            answers: Tensor = stored.get_tensor("answers")
            return answers
    except (SafetensorError, OSError) as error:
        say(f"{file} cannot be read ({error}); asking the teachers again")
        return None


def warm_start(network: nn.Module, recipe: TrainRecipe, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Copy the recipe's start into ``network``, and return the names of the weights that it has to learn anew.

    The start is the model ``recipe.init`` or, where ``recipe.pretrained`` says so, ImageNet's weights.
    The classifier is learned anew where the labels differ; everything else must fit.

    Raises:
        ModelError: the folder cannot be loaded.
        TrainingError: it holds another architecture, or see :func:`load_imagenet`.
    """
    if recipe.pretrained == "imagenet":
        return load_imagenet(network)
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
