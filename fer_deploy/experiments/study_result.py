"""The study's schema: architectures trained under the same conditions. JSON is its stored form."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fer_deploy.frozen import Frozen
from fer_deploy.measure.figures import AccuracyFigures
from fer_deploy.measure.measurement import Measurement
from fer_deploy.report.schema import DatasetSummary, DelegationFigures


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
