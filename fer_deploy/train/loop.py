"""The training loop: deterministic by seed, resumable at every epoch, CPU or GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from fer_deploy.contract import InputSpec
from fer_deploy.data.faces import Faces, one_hot
from fer_deploy.errors import TrainingError, first_line
from fer_deploy.files import alone_in
from fer_deploy.progress import say, track
from fer_deploy.train.augment import augment, mixup, normalised
from fer_deploy.train.epochs import (
    WeightAverage,
    epoch_seed,
    learning_rate_at,
    load_checkpoint,
    require_finite,
    save_checkpoint,
    say_where_it_goes_on,
    set_learning_rate,
    write_log,
)
from fer_deploy.train.losses import divergence, soft_cross_entropy
from fer_deploy.train.recipe import TrainRecipe
from fer_deploy.train.teachers import Teachers, warm_start

#: Columns of ``log.csv``: losses in nats, accuracies as fractions, seconds of wall time.
LOG_COLUMNS = ("epoch", "learning_rate", "train_loss", "val_loss", "val_accuracy", "seconds")
_EVAL_BATCH = 512


@dataclass(frozen=True)
class AfterEpoch:
    """What is known of a run after one of its epochs; accuracy is that of the averaged weights."""

    epochs: int
    accuracy: float
    seconds: float
    """Wall time of all epochs so far."""


#: Told of every epoch, those before a resumption again; may end the run by an exception of its own.
Watch = Callable[[AfterEpoch], None]


@dataclass(frozen=True)
class Trained:
    """What a finished run gives: the averaged weights of the epoch that was best on the validation faces."""

    network: nn.Module
    best_epoch: int
    best_accuracy: float
    seconds: float
    """Wall time of all epochs, those before a resumption included."""


def _optimizer(network: nn.Module, recipe: TrainRecipe) -> torch.optim.Optimizer:
    decay = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    return torch.optim.SGD(
        [{"params": decay, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.momentum > 0,
    )


def _evaluate(network: nn.Module, faces: Faces, spec: InputSpec, device: torch.device) -> tuple[float, float]:
    """Return mean cross-entropy (nats, against the distribution) and accuracy (fraction)."""
    loss, right = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(faces), _EVAL_BATCH):
            stop = start + _EVAL_BATCH
            pixels = torch.from_numpy(faces.pixels[start:stop]).to(device)
            logits = network(normalised(pixels, spec)).cpu()
            loss += float(soft_cross_entropy(logits, torch.from_numpy(faces.distribution[start:stop]))) * len(
                logits
            )
            right += int((logits.argmax(1) == torch.from_numpy(faces.targets[start:stop])).sum())
    return loss / len(faces), right / len(faces)


class Trainer:
    """One run in one work folder: ``checkpoint.pt`` to resume from, ``log.csv`` to plot."""

    def __init__(
        self, recipe: TrainRecipe, training: Faces, validation: Faces, work_dir: Path, device: str = "cpu"
    ) -> None:
        images = min(len(training), recipe.images_per_epoch or len(training))
        if images < recipe.batch_size:
            raise TrainingError(
                f"{training.name} has {images} images an epoch, fewer than batch_size = {recipe.batch_size}"
            )
        try:
            self.device = torch.device(device)
            torch.empty(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise TrainingError(
                f"device '{device}' cannot be used: {first_line(error)}; try --device cpu"
            ) from None
        torch.manual_seed(recipe.seed)
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        self.recipe, self.training, self.validation = recipe, training, validation
        self.work_dir = work_dir
        network = recipe.architecture.build(len(training.labels), recipe.input.channels)
        anew = warm_start(network, recipe, training.labels)
        if anew:
            say(f"starting from {recipe.init or recipe.pretrained}; learned anew: {', '.join(anew)}")
        self.teachers = (
            Teachers(recipe.teacher, training.labels, recipe.input, self.device) if recipe.teacher else None
        )
        once = self.teachers is not None and recipe.teacher is not None and recipe.teacher.asked == "once"
        self.answers = (
            self.teachers.asked_once(
                torch.from_numpy(training.pixels), recipe.augment.flip, work_dir / "answers.safetensors"
            )
            if self.teachers and once
            else None
        )
        # channels_last: 1.4 to 2.2 times as fast here for depthwise convolutions on a CPU.
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = WeightAverage(self.network, recipe.ema_decay)
        self.optimizer = _optimizer(self.network, recipe)
        self.epoch, self.best_epoch, self.best_accuracy = 0, -1, -1.0
        self.best_state = self._copy_of_average()
        self.log: list[list[float]] = []

    def run(self, watch: Watch | None = None) -> Trained:
        """Train to the last epoch, going on from the work folder's checkpoint if there is one.

        What ``watch`` raises ends the run; its checkpoint stays, and a later run goes on from there.

        Raises:
            TrainingError: the checkpoint is damaged or of another recipe, or the loss is not finite.
            OutputError: another process trains in the work folder, or it cannot be written.
        """
        with alone_in(self.work_dir):
            return self._run(watch)

    def _run(self, watch: Watch | None) -> Trained:
        self._resume()
        for epochs in range(1, self.epoch + 1):
            self._tell(watch, epochs)
        while self.epoch < self.recipe.epochs:
            began = time.perf_counter()
            train_loss, rate = self._train_epoch()
            val_loss, accuracy = _evaluate(
                self.average.module, self.validation, self.recipe.input, self.device
            )
            if accuracy > self.best_accuracy:
                self.best_epoch, self.best_accuracy = self.epoch, accuracy
                self.best_state = self._copy_of_average()
            seconds = time.perf_counter() - began
            self.log.append([self.epoch, rate, train_loss, val_loss, accuracy, seconds])
            self.epoch += 1
            self._save()
            say(
                f"epoch {self.epoch}/{self.recipe.epochs}: train loss {train_loss:.4f}, "
                f"validation loss {val_loss:.4f}, accuracy {accuracy:.2%}, {seconds:.1f} s"
            )
            self._tell(watch, self.epoch)
        self.average.module.load_state_dict(self.best_state)
        return Trained(self.average.module, self.best_epoch, self.best_accuracy, self._seconds(self.epoch))

    def _tell(self, watch: Watch | None, epochs: int) -> None:
        if watch is not None:
            accuracy = self.log[epochs - 1][LOG_COLUMNS.index("val_accuracy")]
            watch(AfterEpoch(epochs, accuracy, self._seconds(epochs)))

    def _seconds(self, epochs: int) -> float:
        return sum(row[LOG_COLUMNS.index("seconds")] for row in self.log[:epochs])

    def _copy_of_average(self) -> dict[str, Tensor]:
        return {key: value.detach().cpu().clone() for key, value in self.average.module.state_dict().items()}

    def _train_epoch(self) -> tuple[float, float]:
        recipe = self.recipe
        seed = epoch_seed(recipe.seed, self.epoch)
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        order = torch.randperm(len(self.training), generator=generator)[: recipe.images_per_epoch]
        steps = len(order) // recipe.batch_size
        distribution = (
            self.training.distribution
            if recipe.soft_labels
            else one_hot(self.training.targets, len(self.training.labels))
        )
        # The teachers' answers given beforehand stand beside the labels, so that mixup mixes both alike.
        targets = torch.from_numpy(distribution)
        if self.answers is not None:
            targets = torch.cat([targets, self.answers], dim=1)
        pixels = torch.from_numpy(self.training.pixels)
        self.network.train()
        total = rate = 0.0
        for step in track(range(steps), f"epoch {self.epoch + 1}/{recipe.epochs}"):
            rate = learning_rate_at(self.epoch * steps + step, steps, recipe)
            set_learning_rate(self.optimizer, rate)
            index = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            batch = augment(pixels[index].to(self.device).float(), recipe.augment, generator)
            batch, target = mixup(batch, targets[index].to(self.device), recipe.mixup, generator)
            loss = self._loss(batch, target)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.average.update(self.network)
            total += loss.item()
            require_finite(total, self.epoch, step)
        return total / steps, rate

    def _loss(self, pixels: Tensor, target: Tensor) -> Tensor:
        """Return the loss on pixels 0..255 (N, C, H, W): the labels', and the teachers' where there are any.

        ``target`` is (N, K), or (N, 2 K) with the teachers' answers beside the labels where they were asked once.
        """
        recipe = self.recipe
        batch = normalised(pixels, recipe.input).contiguous(memory_format=torch.channels_last)
        logits = self.network(batch)
        classes = logits.shape[1]
        loss = soft_cross_entropy(logits, target[:, :classes], recipe.label_smoothing)
        if self.teachers is None or recipe.teacher is None:
            return loss
        weight, temperature = recipe.teacher.weight, recipe.teacher.temperature
        answers = self.teachers.probabilities(pixels) if self.answers is None else target[:, classes:]
        taught = divergence(logits, answers, temperature)
        return (1 - weight) * loss + weight * taught

    def _teacher_digests(self) -> list[str]:
        return self.teachers.weights_sha256 if self.teachers else []

    def _save(self) -> None:
        save_checkpoint(
            self.work_dir / "checkpoint.pt",
            {
                "recipe": self.recipe.model_dump_json(),
                "teachers": self._teacher_digests(),
                "network": self.network.state_dict(),
                "average": self.average.module.state_dict(),
                "average_step": self.average.step,
                "optimizer": self.optimizer.state_dict(),
                "epoch": self.epoch,
                "best_epoch": self.best_epoch,
                "best_accuracy": self.best_accuracy,
                "best_state": self.best_state,
                "log": self.log,
            },
        )
        write_log(self.work_dir / "log.csv", LOG_COLUMNS, self.log)

    def _same_recipe(self, stored: object, _: str) -> bool:
        # Compared as recipes: a checkpoint from before an option existed has its default.
        try:
            return TrainRecipe.model_validate_json(str(stored)) == self.recipe
        except ValidationError:
            return False

    def _resume(self) -> None:
        state: dict[str, Any] | None = load_checkpoint(
            self.work_dir / "checkpoint.pt", self.recipe.model_dump_json(), self._same_recipe
        )
        if state is None:
            return
        if state.get("teachers", []) != self._teacher_digests():
            raise TrainingError(
                f"checkpoint {self.work_dir / 'checkpoint.pt'} was trained with other teachers; "
                "delete it to start again"
            )
        self.network.load_state_dict(state["network"])
        self.average.module.load_state_dict(state["average"])
        self.average.step = state["average_step"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]
        self.best_epoch, self.best_accuracy = state["best_epoch"], state["best_accuracy"]
        self.best_state, self.log = state["best_state"], state["log"]
        say_where_it_goes_on(self.epoch, self.recipe.epochs)
