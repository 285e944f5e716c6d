"""A short training in which a network learns the answers of another: no labels, same images.

Hinton et al., "Distilling the Knowledge in a Neural Network", 2015. Quantization-aware training uses it
with the float network as teacher.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_deploy.data.faces import Faces
from fer_deploy.progress import say, track
from fer_deploy.train.augment import augment
from fer_deploy.train.epochs import (
    epoch_seed,
    learning_rate_at,
    load_checkpoint,
    require_finite,
    save_checkpoint,
    say_where_it_goes_on,
    set_learning_rate,
    write_log,
)
from fer_deploy.train.losses import divergence
from fer_deploy.train.recipe import DistillRecipe

#: Columns of the log: loss in nats x temperature squared, seconds of wall time.
LOG_COLUMNS = ("epoch", "learning_rate", "loss", "seconds")
Forward = Callable[[Tensor], Tensor]


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of softened answers, times temperature squared (mean, nats).

    Args:
        student: logits float32 (N, K).
        teacher: logits float32 (N, K); no gradient flows into them.
        temperature: divides both.
    """
    return divergence(student, F.softmax(teacher.detach() / temperature, dim=1), temperature)


class Distiller:
    """One run in one work folder: ``checkpoint.pt`` to resume from, ``log.csv`` to plot."""

    def __init__(
        self,
        student: Forward,
        teacher: Forward,
        parameters: dict[str, nn.Parameter],
        faces: Faces,
        recipe: DistillRecipe,
        work_dir: Path,
        identity: str,
    ) -> None:
        """Set up; nothing is trained or read yet.

        Args:
            student, teacher: from pixels float32 (N, C, H, W) in 0..255 to logits (N, K).
            parameters: what is trained, by name.
            faces: where the images come from; their labels are not used.
            recipe: how.
            work_dir: holds the checkpoint and the log.
            identity: what the student and teacher are; a checkpoint of another identity is refused.
        """
        self.student, self.teacher, self.parameters = student, teacher, parameters
        self.faces, self.recipe, self.work_dir = faces, recipe, work_dir
        self._key = f"{identity} {recipe.model_dump_json()}"
        self.optimizer = torch.optim.Adam(parameters.values(), lr=recipe.learning_rate)
        self.epoch = 0
        self.log: list[list[float]] = []

    def run(self) -> list[list[float]]:
        """Train to the last epoch, going on from the checkpoint if there is one; return the log's rows.

        Raises:
            TrainingError: the checkpoint is damaged or of another run, or the loss is not finite.
        """
        self._resume()
        while self.epoch < self.recipe.epochs:
            began = time.perf_counter()
            loss, rate = self._train_epoch()
            seconds = time.perf_counter() - began
            self.log.append([self.epoch, rate, loss, seconds])
            self.epoch += 1
            self._save()
            say(f"distilling, epoch {self.epoch}/{self.recipe.epochs}: loss {loss:.4f}, {seconds:.1f} s")
        return self.log

    def _train_epoch(self) -> tuple[float, float]:
        recipe = self.recipe
        generator = torch.Generator().manual_seed(epoch_seed(recipe.seed, self.epoch))
        order = torch.randperm(len(self.faces), generator=generator)[: recipe.images_per_epoch]
        batch_size = min(recipe.batch_size, len(order))
        steps = len(order) // batch_size
        pixels = torch.from_numpy(self.faces.pixels)
        total = rate = 0.0
        for step in track(range(steps), f"epoch {self.epoch + 1}/{recipe.epochs}"):
            rate = learning_rate_at(self.epoch * steps + step, steps, recipe)
            set_learning_rate(self.optimizer, rate)
            index = order[step * batch_size : (step + 1) * batch_size]
            # Rounded: pixels are whole numbers on the device, and the student's input grid is exact.
            batch = augment(pixels[index].float(), recipe.augment, generator).round_()
            with torch.no_grad():
                answer = self.teacher(batch)
            loss = distillation_loss(self.student(batch), answer, recipe.temperature)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += loss.item()
            require_finite(total, self.epoch, step)
        return total / steps, rate

    def _save(self) -> None:
        state: dict[str, Any] = {
            "recipe": self._key,
            "parameters": {name: value.detach() for name, value in self.parameters.items()},
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "log": self.log,
        }
        save_checkpoint(self.work_dir / "checkpoint.pt", state)
        write_log(self.work_dir / "log.csv", LOG_COLUMNS, self.log)

    def _resume(self) -> None:
        state = load_checkpoint(self.work_dir / "checkpoint.pt", self._key)
        if state is None:
            return
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(state["parameters"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.log = state["epoch"], state["log"]
        say_where_it_goes_on(self.epoch, self.recipe.epochs, "distillation")
