"""Teachers trained from scratch on both label sets, one after another, and their common answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fer_deploy.contract import InputSpec
from fer_deploy.data.fer2013_pairs import NO_FACE
from fer_deploy.errors import TrainingError, first_line
from fer_deploy.train.augment import augment, normalised
from fer_deploy.train.family.data import DeviceFaces, Order
from fer_deploy.train.family.recipe import FamilyRecipe, TeacherPlan
from fer_deploy.train.family.scores import FER2013, FERPLUS, answers, scores
from fer_deploy.train.family.steps import AveragedSgd, Say, captured, cosine, following, train
from fer_deploy.zoo.teachers import build_teacher

#: Draws of the Beta distribution that mixup takes its shares from: a CUDA graph cannot draw them itself.
_SHARES = 65536


def half_precision(device: torch.device) -> torch.autocast:
    """Return the context of every forward pass: bfloat16 on a GPU, float32 elsewhere."""
    # No cache of cast weights: a graph that is replayed would go on with those of its capture.
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False)


class Ensemble:
    """Frozen teachers, and what they answer together."""

    def __init__(self, networks: list[nn.Module], spec: InputSpec) -> None:
        self.networks, self.spec = networks, spec

    @torch.no_grad()
    def both(self, batch: Tensor) -> Tensor:
        """Return mean probabilities (N, 15) for normalised pixels: columns 0..7 FER+'s, 8..14 FER2013's."""
        total = torch.zeros(len(batch), NO_FACE, device=batch.device)
        for network in self.networks:
            with half_precision(batch.device):
                logits = network(batch)
            total += probabilities(logits)
        return total / len(self.networks)

    def answers(self, pixels: Tensor) -> Tensor:
        """Return the same for pixels (N, C, H, W) in 0..255."""
        return answers(self.both, pixels, self.spec)


class KeptAnswers:
    """What an earlier run's ensemble answered about each image and its mirror image: their mean."""

    def __init__(self, file: Path, rows: NDArray[np.int64], device: torch.device) -> None:
        """Read the answers about the images of ``rows``, int64 (N,), rows in the npz.

        Raises:
            TrainingError: the file is missing, damaged or no such file, or lacks an image.
        """
        try:
            kept = load_file(file)
            answers = (kept["answers"].float() + kept["mirrored"].float()) / 2
            place = {int(row): at for at, row in enumerate(kept["row"])}
        except (OSError, SafetensorError, KeyError) as error:
            raise TrainingError(
                f"{file} holds no answers of train-family's teachers: {first_line(error)}"
            ) from None
        lacking = [row for row in rows.tolist() if row not in place]
        if lacking or answers.shape[1:] != (NO_FACE,):
            raise TrainingError(
                f"{file} does not answer about {len(lacking)} of {len(rows)} training images, with {NO_FACE} "
                "probabilities each; it is of a run on other images"
            )
        self._answers: Tensor = answers[[place[row] for row in rows.tolist()]].to(device)

    def about(self, index: Tensor) -> Tensor:
        """Return the probabilities (N, 15) for the images ``index``, int64 (N,)."""
        return self._answers[index]


def probabilities(logits: Tensor) -> Tensor:
    """Return (N, 15) probabilities, each label set's for itself."""
    logits = logits.float()
    return torch.cat([logits[:, FERPLUS].softmax(1), logits[:, FER2013].softmax(1)], 1)


def both_cross_entropies(logits: Tensor, target: Tensor) -> Tensor:
    """Return the sum of both label sets' cross-entropies, mean over the batch, nats.

    Args:
        logits: (N, at least 15).
        target: (N, 15); a label set whose part of a row sums to 0 has no say there.
    """
    logits = logits.float()
    losses = [
        -(target[:, part] * F.log_softmax(logits[:, part], 1)).sum(1).mean() for part in (FERPLUS, FER2013)
    ]
    return losses[0] + losses[1]


def train_teacher(
    plan: TeacherPlan,
    recipe: FamilyRecipe,
    training: DeviceFaces,
    validation: DeviceFaces,
    seconds: float | None,
    say: Say,
) -> tuple[nn.Module, dict[str, float]]:
    """Train one teacher; return it frozen, with its averaged weights, and its scores on ``validation``.

    Args:
        plan: which, from which seed, how long at most.
        recipe: everything else.
        training, validation: faces.
        seconds: time for its steps; None for no limit.
        say: takes lines for the log.
    """
    spec, device = recipe.teachers, training.pixels.device
    torch.manual_seed(plan.seed)
    network = build_teacher(plan.name, NO_FACE, recipe.input.channels)
    network = network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = AveragedSgd(network, spec.weight_decay, recipe.momentum)
    order = Order(len(training), recipe.batch_size, plan.seed, device)
    drawn = np.random.default_rng(plan.seed).beta(spec.mixup, spec.mixup, _SHARES).astype(np.float32)
    # The larger part is the image's own: otherwise pairs would come twice.
    shares = torch.from_numpy(np.maximum(drawn, 1 - drawn)).to(device)

    def step() -> None:
        index = order.index
        pixels = augment(training.pixels[index].float(), spec.augment, None)
        smooth = training.one_hot[index] * (1 - spec.label_smoothing)
        smooth = smooth + spec.label_smoothing / training.one_hot.shape[1]
        target = torch.cat([training.distribution[index] * training.valid[index], smooth], 1)
        share = shares[torch.randint(0, _SHARES, (len(index),), device=device)].view(-1, 1)
        target = target * share + target.roll(1, 0) * (1 - share)
        share = share.view(-1, 1, 1, 1)
        pixels = pixels * share + pixels.roll(1, 0) * (1 - share)
        batch = normalised(pixels, recipe.input).contiguous(memory_format=torch.channels_last)
        with half_precision(device):
            logits = network(batch)
        optimizer.step(both_cross_entropies(logits, target))

    def before_step(done: int, progress: float) -> None:
        optimizer.rate.fill_(plan.learning_rate * cosine(progress, recipe.warmup))
        optimizer.follow.fill_(following(done, recipe.ema_decay))

    epochs = train(captured(step, device), order, plan.epochs, seconds, before_step, lambda _: None, say)
    optimizer.keep_average()
    network.eval().requires_grad_(False)
    alone = Ensemble([network], recipe.input)
    found = scores(
        (alone.answers(validation.pixels) + alone.answers(validation.pixels.flip(3))) / 2, validation
    )
    say(f"  {plan.name}, seed {plan.seed}: {epochs:.1f} epochs; PublicTest with mirror image {found}")
    return network, found
