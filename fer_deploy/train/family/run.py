"""A whole family run: a recipe and the data in, weights, answers and a log out."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from fer_deploy.data.fer2013_pairs import PairedFaces
from fer_deploy.errors import TrainingError
from fer_deploy.files import write_atomic
from fer_deploy.progress import say
from fer_deploy.train.family.data import DeviceFaces, on_device
from fer_deploy.train.family.recipe import FamilyRecipe
from fer_deploy.train.family.scores import scores
from fer_deploy.train.family.steps import cosine, following, train
from fer_deploy.train.family.student_file import write_students
from fer_deploy.train.family.students import Class
from fer_deploy.train.family.teachers import Ensemble, KeptAnswers, train_teacher

#: Algorithms that cuDNN times for each convolution: all of them take longer than the best of a few saves.
_ALGORITHMS = 4
#: Seconds that the last evaluation and the last save take on a GPU, kept back from a time limit.
_LAST = 8.0


class _Log:
    """Lines with the seconds since the start, on stderr and in ``train.log``."""

    def __init__(self, path: Path) -> None:
        self.path, self.began = path, time.monotonic()
        self.lines: list[str] = []

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def __call__(self, message: str) -> None:
        self.lines.append(f"[{self.elapsed:6.1f}] {message}")
        say(self.lines[-1])
        write_atomic(self.path, "\n".join(self.lines) + "\n")


def train_family(
    recipe: FamilyRecipe,
    training: PairedFaces,
    validation: PairedFaces,
    output: Path,
    device: str = "cpu",
    at_most: float | None = None,
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """Train the teachers and then the students as ``recipe`` says, and return what is written to ``info.json``.

    Written to ``output``:
        ``students.safetensors``: averaged weights by ARCHITECTURE/SEED|PARAMETER, every minute and at the end;
        ``students/ARCHITECTURE-SEED.safetensors``: the same at the end, one file a student, with how it came about;
        ``teachers/NAME-SEED.safetensors``: bfloat16; not where the recipe names ``answers``;
        ``answers.safetensors``: likewise, the ensemble's probabilities, float16 (N, 15), about each training image and
        its mirror image, and the images' rows in the npz;
        ``info.json``, ``train.log``.

    Args:
        recipe: what to train and how.
        training, validation: faces; no epoch is chosen by the latter.
        output: folder.
        device: a torch device.
        at_most: seconds for everything; the schedules become shorter so that they end in time. None for no limit.
        only: ARCHITECTURE/SEED of the students to train; all of the recipe where empty.

    Raises:
        TrainingError: fewer images than a batch; ``only`` names no student of the recipe.
        ModelError: a student to go on from is missing or damaged.
        OutputError: a file cannot be written.
    """
    students = _chosen(recipe, only)
    log, place = _Log(output / "train.log"), torch.device(device)
    if place.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.benchmark_limit = _ALGORITHMS
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    faces, seen = on_device(training, place), on_device(validation, place)
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "CPU"
    log(f"{len(faces)} training images, {len(seen)} of PublicTest; torch {torch.__version__}, {name}")
    info: dict[str, Any] = {
        "recipe": recipe.model_dump(mode="json"),
        "torch": torch.__version__,
        "device": name,
    }
    teachers: Ensemble | KeptAnswers
    if recipe.teachers.answers is None:
        teachers = _train_teachers(recipe, faces, seen, at_most, info, log, output)
        _save_answers(teachers, faces, training, output / "answers.safetensors")
        log("answers saved")
    else:
        teachers = KeptAnswers(recipe.teachers.answers, training.rows, place)
        log(f"teachers' answers: {recipe.teachers.answers}")
    _train_students(recipe, students, faces, seen, teachers, at_most, info, log, output)
    return info


def _chosen(recipe: FamilyRecipe, only: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return architecture and seed of the students to train."""
    spec = recipe.students
    every = {f"{name}/{seed}": (name, seed) for name in spec.architectures for seed in spec.seeds}
    unknown = [name for name in only if name not in every]
    if unknown:
        raise TrainingError(f"the recipe has no student {unknown[0]}; it has {', '.join(every)}")
    return tuple(one for name, one in every.items() if not only or name in only)


def _train_teachers(
    recipe: FamilyRecipe,
    faces: DeviceFaces,
    seen: DeviceFaces,
    at_most: float | None,
    info: dict[str, Any],
    log: _Log,
    output: Path,
) -> Ensemble:
    networks: list[nn.Module] = []
    info["teachers"] = {}
    for plan in recipe.teachers.members:
        log(f"teacher {plan.name}, seed {plan.seed}")
        seconds = None if at_most is None else at_most * plan.share
        network, found = train_teacher(plan, recipe, faces, seen, seconds, log)
        networks.append(network)
        info["teachers"][f"{plan.name}/{plan.seed}"] = found
        state = {
            name: value.bfloat16() if value.is_floating_point() else value
            for name, value in network.state_dict().items()
        }
        _save(state, output / "teachers" / f"{plan.name}-{plan.seed}.safetensors")
        if faces.pixels.device.type == "cuda":
            torch.cuda.empty_cache()
    ensemble = Ensemble(networks, recipe.input)
    mirrored = ensemble.answers(seen.pixels.flip(3))
    info["ensemble"] = scores((ensemble.answers(seen.pixels) + mirrored) / 2, seen)
    log(f"ensemble, with mirror image: {info['ensemble']}")
    return ensemble


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    write_atomic(path, save({name: value.cpu().contiguous() for name, value in tensors.items()}))


def _save_answers(ensemble: Ensemble, faces: DeviceFaces, training: PairedFaces, path: Path) -> None:
    _save(
        {
            "answers": ensemble.answers(faces.pixels).half(),
            "mirrored": ensemble.answers(faces.pixels.flip(3)).half(),
            "row": torch.from_numpy(training.rows),
        },
        path,
    )


def _train_students(
    recipe: FamilyRecipe,
    students: Sequence[tuple[str, int]],
    faces: DeviceFaces,
    seen: DeviceFaces,
    teachers: Ensemble | KeptAnswers,
    at_most: float | None,
    info: dict[str, Any],
    log: _Log,
    output: Path,
) -> None:
    group = Class(recipe, students, faces, teachers)
    log(f"{len(group.students)} students")
    group.capture()
    log("captured")
    info["history"] = []
    saved = log.elapsed

    def write() -> None:
        _save(group.weights(), output / "students.safetensors")
        write_atomic(output / "info.json", json.dumps(info, indent=1))

    def before_step(done: int, progress: float) -> None:
        group.set_rates(cosine(progress, recipe.warmup), following(done, recipe.ema_decay), progress)

    def after_epoch(epoch: int) -> None:
        nonlocal saved
        if epoch % recipe.evaluate_every == 0:
            found = group.scores(seen)
            losses = {student.name: round(student.loss.item(), 4) for student in group.students}
            info["history"].append({"epoch": epoch, "loss": losses, "scores": found})
            log(f"  epoch {epoch}: {_line(found)}")
        if log.elapsed - saved > recipe.save_every:
            write()
            saved = log.elapsed

    seconds = None if at_most is None else max(1.0, at_most - log.elapsed - _LAST)
    epochs = train(group.step, group.order, recipe.students.epochs, seconds, before_step, after_epoch, log)
    for student in group.students:
        student.keep(recipe.students.keep)
    write()
    info["epochs"], info["students"] = epochs, group.scores(seen)
    log(f"{epochs:.1f} epochs; clean: {_line(info['students'])}")
    info["corrupted"] = group.scores_corrupted(seen)
    for student, found in info["corrupted"].items():
        log(f"  {student}: " + ", ".join(f"{kind} {score['ferplus']:.4f}" for kind, score in found.items()))
    info["seconds"] = round(log.elapsed, 1)
    write()
    write_students(group.weights(), recipe, epochs, info["students"], output / "students")
    log("done")


def _line(found: dict[str, dict[str, float]]) -> str:
    """Return one line: FER+ all / majority mode / FER2013 / AUROC of "no face" of each student."""
    return " ".join(
        f"{name}=" + "/".join(f"{value:.4f}" for value in one.values()) for name, one in found.items()
    )
