"""What to train, on what, and how: one TOML file that reproduces a checkpoint."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from fer_deploy.contract import Frozen, InputSpec, first_problem
from fer_deploy.data.registry import DatasetSpec
from fer_deploy.errors import TrainingError
from fer_deploy.files import read_toml


class ArchitectureSpec(Frozen):
    """A zoo architecture and its width multiplier."""

    name: str
    width: float = Field(default=1.0, ge=0.1, le=4.0)


class AugmentSpec(Frozen):
    """Random changes of each training image; every range is symmetric about "no change"."""

    flip: bool = True
    rotation: float = Field(default=15.0, ge=0, le=90, description="degrees")
    scale: float = Field(default=0.15, ge=0, lt=1, description="fraction")
    shift: float = Field(default=0.08, ge=0, lt=1, description="fraction of the side")
    contrast: float = Field(default=0.25, ge=0, lt=1, description="fraction")
    brightness: float = Field(default=0.15, ge=0, lt=1, description="fraction of 255")
    erase: float = Field(default=0.25, ge=0, le=1, description="probability of one erased rectangle")


class TrainRecipe(Frozen):
    """A training run. The same recipe on the same machine gives the same weights."""

    architecture: ArchitectureSpec
    input: InputSpec
    data: DatasetSpec = DatasetSpec()
    augment: AugmentSpec = AugmentSpec()
    epochs: int = Field(default=60, ge=1)
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=0.1, gt=0, description="peak, reached after warm-up")
    warmup_epochs: float = Field(default=2.0, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0, description="not on BatchNorm or biases")
    ema_decay: float = Field(default=0.998, ge=0, lt=1, description="per step, of the averaged weights")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    soft_labels: bool = Field(default=True, description="vote distribution as target where there is one")
    seed: int = Field(default=0, ge=0, lt=2**32)


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


def load_recipe(path: Path) -> TrainRecipe:
    """Return the recipe in a TOML file.

    Raises:
        TrainingError: the file is missing, not TOML, or a key is unknown or out of range.
    """
    try:
        return TrainRecipe.model_validate(read_toml(path, TrainingError, "training recipe"))
    except ValidationError as error:
        raise TrainingError(f"training recipe {path} is not valid: {first_problem(error)}") from None
