"""All students at once, on the same batches, taught by the ensemble's answer to that very clean view."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_deploy.data.fer2013_pairs import NO_FACE
from fer_deploy.data.no_face import non_faces
from fer_deploy.train.augment import augment, normalised
from fer_deploy.train.family.data import DeviceFaces, Order, corrupt
from fer_deploy.train.family.recipe import FamilyRecipe
from fer_deploy.train.family.scores import answers, corrupted, scores
from fer_deploy.train.family.steps import AveragedSgd, captured, side_by_side
from fer_deploy.train.family.student_file import go_on_from, student_path
from fer_deploy.train.family.teachers import Ensemble, KeptAnswers, both_cross_entropies, half_precision
from fer_deploy.zoo import build


class Student:
    """One network of 16 logits (8 FER+, 7 FER2013, "no face") and its optimizer.

    Attributes:
        name: ARCHITECTURE/SEED.
        loss: scalar, of the last step.
    """

    def __init__(self, architecture: str, seed: int, recipe: FamilyRecipe, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.name = f"{architecture}/{seed}"
        network = build(architecture, NO_FACE + 1, recipe.input.channels)
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                # The teachers' soft answers regularise enough for networks this small.
                module.p = 0.0
        self._start, self._rows = None, NO_FACE + 1
        if recipe.students.start is not None:
            file = student_path(recipe.students.start, architecture, seed)
            self._rows = go_on_from(network, file, architecture)
            self._start = {name: value.clone() for name, value in network.state_dict().items()}
        network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.optimizer = AveragedSgd(network, recipe.students.weight_decay, recipe.momentum)
        self.loss = torch.zeros((), device=device)
        self._no_face_weight = recipe.students.no_face_weight
        self._spec = recipe.input

    def step(self, batch: Tensor, target: Tensor, no_face: Tensor) -> None:
        """Take one step.

        Args:
            batch: normalised pixels (N, C, H, W), faces first.
            target: (B, 15), of the first B images; the others have no expression to learn.
            no_face: (N,), 0..1.
        """
        with half_precision(batch.device):
            logits = self.optimizer.network(batch).float()
        loss = both_cross_entropies(logits[: len(target)], target)
        absent = F.binary_cross_entropy_with_logits(logits[:, NO_FACE], no_face)
        loss = loss + self._no_face_weight * absent
        self.optimizer.step(loss)
        self.loss.copy_(loss.detach())

    def keep(self, share: float) -> None:
        """Keep ``share`` of the weights that the student went on from; nothing where it has no start."""
        if self._start is not None and share:
            self.optimizer.blend(self._start, share, self._rows)

    def scores(self, faces: DeviceFaces, pixels: Tensor | None = None) -> dict[str, float]:
        """Return the averaged weights' scores (:func:`scores`) on ``faces``, or on other pixels of them."""
        with self.optimizer.evaluating() as network:
            return scores(answers(network, faces.pixels if pixels is None else pixels, self._spec), faces)


class Class:
    """The students and the step that they take together."""

    def __init__(
        self,
        recipe: FamilyRecipe,
        students: Sequence[tuple[str, int]],
        training: DeviceFaces,
        teachers: Ensemble | KeptAnswers,
    ) -> None:
        """Draw the networks of ``students``, architectures and seeds; the graph is captured by :meth:`capture`."""
        self.recipe, self.training, self.teachers = recipe, training, teachers
        self.device = training.pixels.device
        self.students = [Student(name, seed, recipe, self.device) for name, seed in students]
        self.order = Order(len(training), recipe.batch_size, recipe.seed, self.device)
        self.probability = torch.zeros((), device=self.device)
        torch.manual_seed(recipe.seed)

    def capture(self) -> None:
        """Make :attr:`step`: a CUDA graph with a stream for each student, on a CPU one after another."""
        on_gpu = self.device.type == "cuda"
        count = len(self.students) if on_gpu else 0
        self._streams = [torch.cuda.Stream() for _ in range(count)]  # type: ignore[no-untyped-call]
        self.step = captured(self._step, self.device)

    def _step(self) -> None:
        recipe, index, training = self.recipe, self.order.index, self.training
        spec = recipe.students
        with torch.no_grad():
            view = augment(training.pixels[index].float(), spec.augment, None)
            answer = self._answers(index, view)
            labels = torch.cat([training.distribution[index], training.one_hot[index]], 1)
            # Without a majority for an emotion the votes are no label: the teachers' answer is all there is.
            voted = training.valid[index].expand(-1, training.distribution.shape[1])
            labelled = torch.cat([voted, torch.ones_like(training.one_hot[index])], 1)
            weight = (1 - spec.teacher_weight) * labelled
            target = answer * (1 - weight) + labels * weight
            others = non_faces(view, spec.non_faces, None)
            seen = corrupt(torch.cat([view, others]), recipe.corrupt, self.probability, None)
            no_face = torch.cat([training.no_face[index], torch.ones(len(others), device=self.device)])
            batch = normalised(seen, recipe.input).contiguous(memory_format=torch.channels_last)
        side_by_side(
            [partial(student.step, batch, target, no_face) for student in self.students], self._streams
        )

    def _answers(self, index: Tensor, view: Tensor) -> Tensor:
        """Return what the teachers say of the images ``index``, whose augmented views have pixels ``view``."""
        if isinstance(self.teachers, KeptAnswers):
            return self.teachers.about(index)
        clean = normalised(view, self.recipe.input)
        return self.teachers.both(clean.contiguous(memory_format=torch.channels_last))

    def set_rates(self, rate: float, follow: float, progress: float) -> None:
        """Set the learning rate's factor, the averages' step and, by ``progress`` 0..1, how often is corrupted."""
        self.probability.fill_(self.recipe.corrupt.probability_at(progress))
        for student in self.students:
            student.optimizer.rate.fill_(self.recipe.students.learning_rate * rate)
            student.optimizer.follow.fill_(follow)

    def weights(self) -> dict[str, Tensor]:
        """Return the averaged weights of all, by ARCHITECTURE/SEED|PARAMETER, on the CPU."""
        return {
            f"{student.name}|{name}": value
            for student in self.students
            for name, value in student.optimizer.averaged().items()
        }

    def scores(self, faces: DeviceFaces) -> dict[str, dict[str, float]]:
        """Return each student's scores on ``faces``, by its name."""
        return {student.name: student.scores(faces) for student in self.students}

    def scores_corrupted(self, faces: DeviceFaces) -> dict[str, dict[str, dict[str, float]]]:
        """Return each student's scores by its name and by the corruption."""
        views = corrupted(faces.pixels)
        return {
            student.name: {name: student.scores(faces, view) for name, view in views.items()}
            for student in self.students
        }
