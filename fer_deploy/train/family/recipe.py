"""What a family run trains, and how: one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from fer_deploy.contract import InputSpec
from fer_deploy.data.corruptions import TRAINED
from fer_deploy.errors import TrainingError
from fer_deploy.files import read_toml
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.train.recipe import AugmentSpec


class TeacherPlan(Frozen):
    """One teacher."""

    name: Literal["resnet_1222", "vgg13_bn"]
    seed: int = Field(default=0, ge=0, lt=2**31)
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0, description="peak, reached after warm-up")
    share: float = Field(gt=0, lt=1, description="of the time that --at-most gives to the whole run")


class TeachersSpec(Frozen):
    """The ensemble, or what one answered in an earlier run."""

    members: tuple[TeacherPlan, ...] = ()
    answers: Path | None = Field(
        default=None,
        description="answers.safetensors of an earlier run, in place of members: the students are told what its "
        "teachers answered about each image and its mirror image, not about every augmented view",
    )
    augment: AugmentSpec = AugmentSpec()
    weight_decay: float = Field(default=5e-4, ge=0, description="not on BatchNorm or biases")
    mixup: float = Field(default=0.2, gt=0, description="alpha of the Beta distribution")
    label_smoothing: float = Field(default=0.1, ge=0, lt=1, description="of FER2013's labels")

    @model_validator(mode="after")
    def _answer_in_one_way(self) -> TeachersSpec:
        if bool(self.members) == (self.answers is not None):
            raise ValueError("name either members to train or the answers of an earlier run")
        return self


class StudentsSpec(Frozen):
    """The students: every architecture from every seed, side by side on the same batches."""

    architectures: tuple[str, ...] = Field(
        min_length=1, description="names of the zoo, the largest maps first"
    )
    seeds: tuple[int, ...] = Field(min_length=1)
    start: Path | None = Field(
        default=None,
        description="folder of ARCHITECTURE-SEED.safetensors to go on from; default: drawn by the seed",
    )
    keep: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the start's weights in the result: a straight line between both holds most of what "
        "either can (Wortsman et al., CVPR 2022)",
    )
    epochs: int = Field(ge=1)
    learning_rate: float = Field(default=0.2, gt=0, description="peak, reached after warm-up")
    weight_decay: float = Field(default=2e-4, ge=0, description="not on BatchNorm or biases")
    augment: AugmentSpec = AugmentSpec()
    teacher_weight: float = Field(
        default=0.75, gt=0, le=1, description="of the teachers' answers; labels have the rest"
    )
    no_face_weight: float = Field(default=0.2, ge=0, description="of the loss of the answer 'no face'")
    non_faces: int = Field(
        default=16, ge=0, multiple_of=4, description="pictures of no face beside each batch"
    )

    @model_validator(mode="after")
    def _keeps_of_a_start(self) -> StudentsSpec:
        if self.keep and self.start is None:
            raise ValueError(
                f"keep = {self.keep} keeps a share of the start, and none is named; name a start"
            )
        return self


class RangeSpec(Frozen):
    """How strongly one kind of corruption is applied: uniform between two strengths."""

    mild: float
    severe: float
    weight: float = Field(default=1.0, gt=0, description="how often, relative to the other kinds")


class CorruptSpec(Frozen):
    """Corruption of what the students see. The teachers answer about the clean view."""

    probability: float = Field(default=0.4, ge=0, le=1, description="that an image is corrupted")
    again: float = Field(default=0.2, ge=0, le=1, description="of that probability, for a second corruption")
    last: float = Field(default=0.4, ge=0, le=1, description="the probability that the run ends with")
    falls_from: float = Field(
        default=0.85, ge=0, lt=1, description="fraction of the run from which it goes there"
    )
    kinds: dict[str, RangeSpec] = Field(min_length=1)

    @field_validator("kinds")
    @classmethod
    def _may_be_trained(cls, kinds: dict[str, RangeSpec]) -> dict[str, RangeSpec]:
        for name in kinds:
            if name not in TRAINED:
                raise ValueError(f"'{name}' is no corruption to train with; known: {', '.join(TRAINED)}")
        return kinds

    def probability_at(self, progress: float) -> float:
        """Return the probability at ``progress``, 0..1 of the run."""
        fallen = max(0.0, progress - self.falls_from) / (1 - self.falls_from)
        return self.probability + (self.last - self.probability) * fallen


class FamilyRecipe(Frozen):
    """A whole run."""

    input: InputSpec
    batch_size: int = Field(default=256, ge=8)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    ema_decay: float = Field(default=0.998, ge=0, lt=1, description="per step, of the averaged weights")
    warmup: float = Field(default=0.05, gt=0, lt=1, description="fraction of the steps")
    seed: int = Field(default=0, ge=0, lt=2**31, description="of the order of the images and of every draw")
    evaluate_every: int = Field(default=10, ge=1, description="epochs")
    save_every: float = Field(default=60.0, gt=0, description="seconds")
    teachers: TeachersSpec
    students: StudentsSpec
    corrupt: CorruptSpec


def load_family_recipe(path: Path) -> FamilyRecipe:
    """Return the recipe in a TOML file; relative paths in it are relative to its folder.

    Raises:
        TrainingError: the file is missing, not TOML, or a key is unknown or out of range.
    """
    table = dict(read_toml(path, TrainingError, "family recipe"))
    for section, key in (("teachers", "answers"), ("students", "start")):
        named = table.get(section)
        if isinstance(named, dict) and isinstance(named.get(key), str):
            table[section] = named | {key: str(path.parent / named[key])}
    try:
        return FamilyRecipe.model_validate(table)
    except ValidationError as error:
        raise TrainingError(f"family recipe {path} is not valid: {first_problem(error)}") from None
