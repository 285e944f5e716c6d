"""What a study is on disk: the file that says what is trained and how, and what came of it, stored as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.errors import ConfigError
from fer_deploy.files import read_toml
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.measure.figures import AccuracyFigures
from fer_deploy.measure.measurement import Measurement
from fer_deploy.model import Architecture
from fer_deploy.report.schema import DatasetSummary, DelegationFigures
from fer_deploy.train.recipe import TrainRecipe, anchored

#: What a study sets for each run, so that its ``[train]`` table must not.
_PER_RUN = ("architecture", "seed")


class StudySpec(Frozen):
    """A whole study file. Relative paths in it are relative to its folder."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    architectures: tuple[Architecture, ...] = Field(min_length=1)
    train: dict[str, Any] = Field(description="a training recipe without architecture and seed")
    calibration_images: int = Field(default=512, ge=1)
    timing: TimingProtocol = TimingProtocol()

    @field_validator("architectures")
    @classmethod
    def _differ(cls, architectures: tuple[Architecture, ...]) -> tuple[Architecture, ...]:
        for one in architectures:
            one.build(2, 1)  # refuses what the zoo does not know, before hours go into the others
        if len(set(architectures)) != len(architectures):
            raise ValueError("an architecture is listed twice")
        return architectures

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"seeds must differ, got {list(seeds)}")
        return seeds

    def recipe(self, architecture: Architecture, seed: int) -> TrainRecipe:
        """Return the recipe of one run.

        Raises:
            ConfigError: the ``[train]`` table is not a recipe.
        """
        return train_recipe(self.train, architecture, seed, f"study '{self.name}'")


def train_recipe(train: dict[str, Any], architecture: Architecture, seed: int, where: str) -> TrainRecipe:
    """Return the recipe that a ``[train]`` table makes of an architecture and a seed.

    Raises:
        ConfigError: the table is not a recipe, or sets what each run has of its own.
    """
    for key in _PER_RUN:
        if key in train:
            raise ConfigError(
                f"{where} sets train.{key}, which each of its runs has of its own; leave it out"
            )
    try:
        return TrainRecipe.model_validate({**train, "architecture": architecture, "seed": seed})
    except ValidationError as error:
        raise ConfigError(f"{where} has no valid recipe in [train]: {first_problem(error)}") from None


def load_study(path: Path, data: Path | None = None) -> StudySpec:
    """Return the study in a TOML file; ``data`` replaces the dataset's file or folder.

    Raises:
        ConfigError: the file is missing, not TOML, or a key is unknown or out of range.
        ModelError: an architecture is not one that the zoo can build.
    """
    table = read_train_file(path, "study", data)
    try:
        spec = StudySpec.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"study {path} is not valid: {first_problem(error)}") from None
    for seed in spec.seeds:
        spec.recipe(spec.architectures[0], seed)
    return spec


def read_train_file(path: Path, what: str, data: Path | None) -> dict[str, Any]:
    """Return the TOML file at ``path`` with the paths in its ``[train]`` table made relative to its folder.

    ``data``, if given, becomes ``train.data.path``.

    Raises:
        ConfigError: the file is missing or not TOML.
    """
    table = read_toml(path, ConfigError, what)
    train = table.get("train")
    if isinstance(train, dict):
        train = anchored(train, path.parent)
        if data is not None and isinstance(train.setdefault("data", {}), dict):
            train["data"] = train["data"] | {"path": str(data)}
        table["train"] = train
    return table


class StudyRun(Frozen):
    """One architecture trained with one seed; accuracies are on the validation split."""

    seed: int
    best_epoch: int = Field(description="the epoch that is kept, from 1")
    float_accuracy: AccuracyFigures
    int8_accuracy: AccuracyFigures
    int8_size: Measurement
    delegation: DelegationFigures
    train_seconds: float = Field(description="wall time of all epochs, with their validation")


class StudyRow(Frozen):
    """One architecture: what it costs, and its figures over all seeds."""

    label: str
    family: str = Field(description="architectures of one family differ in size only")
    parameters: Measurement
    macs: Measurement
    int8_size: Measurement
    int8_latency: Measurement = Field(description="median on the host, batch 1, one thread")
    delegation: DelegationFigures
    accuracy: Measurement = Field(description="float; mean over seeds")
    int8_accuracy: Measurement = Field(description="mean over seeds")
    balanced_accuracy: Measurement = Field(description="float; mean over seeds of the mean recall")
    recalls: dict[str, Measurement] = Field(description="float; label to mean over seeds")
    runs: tuple[StudyRun, ...]


class StudyBudget(Frozen):
    """What every architecture got, and what it took altogether."""

    epochs: int
    images_per_epoch: int
    training_images: int
    batch_size: int
    seeds: tuple[int, ...]
    device: str
    threads: int
    hours: float = Field(description="wall time of all trainings")
    recipe: str = Field(description="the training recipe but architecture, seed and the data's path, as TOML")


class StudyReport(Frozen):
    """A finished study."""

    schema_version: Literal["1.0"] = "1.0"
    name: str
    created: str
    command: str
    versions: dict[str, str]
    host: str
    validation: DatasetSummary
    budget: StudyBudget
    rows: tuple[StudyRow, ...]
