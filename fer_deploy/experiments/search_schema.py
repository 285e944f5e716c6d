"""What a search is on disk: the TOML file with its space, limits and proxy training."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import Field, ValidationError, model_validator

from fer_deploy.contract import InputSpec
from fer_deploy.devices.estimator.estimate import estimate_latency
from fer_deploy.devices.estimator.networks import network
from fer_deploy.devices.estimator.rows import Precision
from fer_deploy.devices.profile import load_profile
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.errors import ConfigError
from fer_deploy.experiments.study_schema import read_train_file, train_recipe
from fer_deploy.frozen import Frozen, Unknown, first_problem
from fer_deploy.model import Architecture
from fer_deploy.targets.registry import TARGET_NAMES
from fer_deploy.train.recipe import TrainRecipe

Option = Literal["width", "depth", "expansion", "activation", "stem_stride", "size"]
#: The options of a candidate, in the order in which tables list them.
OPTIONS: tuple[Option, ...] = get_args(Option)


def option_text(value: object) -> str:
    """Return the value of an option as tables print it."""
    if value is None:
        return "the base's"
    return f"{value:g}" if isinstance(value, float) else str(value)


class Candidate(Frozen):
    """One point of the space."""

    architecture: Architecture
    size: int = Field(description="height and width of the input, pixels")

    def chosen(self, option: Option) -> Any:
        """Return the value of an option."""
        return self.size if option == "size" else getattr(self.architecture, option)

    def value(self, option: Option) -> str:
        """Return the value of an option as text."""
        return option_text(self.chosen(option))

    @property
    def label(self) -> str:
        """The architecture and the input size, e.g. ``fer_s x0.75 expansion 3 at 40 px``."""
        return f"{self.architecture.label} at {self.size} px"


class Space(Frozen):
    """The values that each option may take; the base's own value where an option is not listed."""

    base: str = "fer_s"
    width: tuple[float, ...] = Field(default=(1.0,), min_length=1)
    depth: tuple[float, ...] = Field(default=(1.0,), min_length=1)
    expansion: tuple[int | None, ...] = Field(default=(None,), min_length=1)
    activation: tuple[Literal["relu6", "relu"], ...] = Field(default=("relu6",), min_length=1)
    stem_stride: tuple[Literal[1, 2] | None, ...] = Field(default=(None,), min_length=1)
    size: tuple[int, ...] = Field(default=(48,), min_length=1)

    def values(self, option: Option) -> tuple[Any, ...]:
        """Return the values of one option."""
        values: tuple[Any, ...] = getattr(self, option)
        return values

    @property
    def points(self) -> int:
        """The number of different candidates."""
        return int(np.prod([len(set(self.values(option))) for option in OPTIONS]))

    def candidate(self, values: dict[Option, Any]) -> Candidate:
        """Return the candidate with these values; every option is given."""
        shape = {option: values[option] for option in OPTIONS if option != "size"}
        return Candidate(architecture=Architecture(name=self.base, **shape), size=values["size"])

    @model_validator(mode="after")
    def _can_be_built(self) -> Space:
        for option in OPTIONS:
            if len(set(self.values(option))) != len(self.values(option)):
                raise ValueError(f"{option} lists a value twice")
        for values in itertools.product(*(self.values(option) for option in OPTIONS)):
            candidate = self.candidate(dict(zip(OPTIONS, values, strict=True)))
            if not 16 <= candidate.size <= 512:
                raise ValueError(f"size {candidate.size} is not between 16 and 512 pixels")
        return self


class SearchLimits(Frozen):
    """What a candidate may cost at most; one that costs more is not trained, and the sampler is told so."""

    parameters: int | None = Field(default=None, ge=1)
    macs: int | None = Field(default=None, ge=1, description="multiply-accumulates of one inference")
    latency_ms: float | None = Field(
        default=None,
        gt=0,
        description="median of the int8 artifact on this machine; not repeatable elsewhere",
    )
    estimate_ms: float | None = Field(default=None, gt=0, description="the estimate that [estimate] asks for")


class SearchEstimate(Frozen):
    """``[estimate]``: the device whose estimated latency is the third objective."""

    profile: str = Field(description="a device profile, e.g. pixel-8")
    target: str = Field(default=TARGET_NAMES[0], description="runtime, as the estimator names it")
    precision: Precision = "int8"
    threads: int = Field(default=1, ge=1)


class Pruning(Frozen):
    """``[pruning]``: after which epochs a training may be stopped, and when it is."""

    rungs: tuple[int, ...] = Field(min_length=1, description="epochs, ascending, before the last one")
    dominators: int = Field(
        default=2,
        ge=1,
        description="a training is stopped at a rung where so many whole ones were no worse in every objective",
    )

    @model_validator(mode="after")
    def _ascend(self) -> Pruning:
        if self.rungs[0] < 1 or any(one >= two for one, two in itertools.pairwise(self.rungs)):
            raise ValueError(f"rungs must be epochs from 1 on, ascending, got {list(self.rungs)}")
        return self


class SearchSpec(Frozen):
    """A whole search file. Relative paths in it are relative to its folder."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    candidates: int = Field(default=24, ge=2, description="how many are trained, in full or up to a rung")
    random: int = Field(
        default=12, ge=2, description="how many of them are drawn at random, before the sampler knows enough"
    )
    seed: int = Field(default=0, ge=0, lt=2**32)
    space: Space
    limits: SearchLimits = SearchLimits()
    estimate: SearchEstimate | None = None
    pruning: Pruning | None = None
    train: dict[str, Any] = Field(description="a training recipe without architecture and seed: the proxy")
    timing: TimingProtocol = TimingProtocol()

    @model_validator(mode="before")
    @classmethod
    def _no_evolution(cls, table: Any) -> Any:
        for key in ("population", "tournament"):
            if isinstance(table, dict) and key in table:
                raise ValueError(
                    f"{key} belonged to the evolution that searches were made by; delete the line, "
                    "Optuna's sampler needs none"
                )
        return table

    @model_validator(mode="after")
    def _fits_together(self) -> SearchSpec:
        if self.limits.estimate_ms is not None and self.estimate is None:
            raise ValueError("limits.estimate_ms is a limit on the estimate of a table [estimate]; add one")
        if self.candidates > self.space.points:
            raise ValueError(
                f"candidates = {self.candidates}, but the space has {self.space.points} points only"
            )
        return self

    def recipe(self, candidate: Candidate) -> TrainRecipe:
        """Return the proxy training of a candidate.

        Raises:
            ConfigError: the ``[train]`` table is not a recipe.
        """
        recipe = train_recipe(self.train, candidate.architecture, self.seed, f"search '{self.name}'")
        return recipe.model_copy(update={"input": sized(recipe.input, candidate.size)})


def sized(spec: InputSpec, size: int) -> InputSpec:
    """Return ``spec`` with a square input of ``size`` pixels."""
    return InputSpec.model_validate(spec.model_dump() | {"height": size, "width": size})


def load_search(path: Path, data: Path | None = None) -> SearchSpec:
    """Return the search in a TOML file; ``data`` replaces the dataset's file or folder.

    Raises:
        ConfigError: the file is missing, not TOML, or a key is unknown or out of range.
        ModelError: the zoo cannot build the space's base.
        DeviceError: no profile has the name in [estimate].
    """
    try:
        spec = SearchSpec.model_validate(read_train_file(path, "search", data))
    except ValidationError as error:
        raise ConfigError(f"search {path} is not valid: {first_problem(error)}") from None
    first = spec.space.candidate({option: spec.space.values(option)[0] for option in OPTIONS})
    first.architecture.build(2, 1)
    recipe = spec.recipe(first)
    if spec.pruning is not None and spec.pruning.rungs[-1] >= recipe.epochs:
        raise ConfigError(
            f"search {path} is not valid: pruning.rungs has {spec.pruning.rungs[-1]}, but train.epochs is "
            f"{recipe.epochs}: nothing is saved by stopping then"
        )
    if spec.estimate is not None:
        _require_estimates(path, spec.estimate)
    return spec


def _require_estimates(path: Path, asked: SearchEstimate) -> None:
    """Refuse a device and runtime that have no estimate for any network: not one that is too small."""
    ordinary = network("mobilenet_v2", 224)
    assert ordinary is not None
    found = estimate_latency(
        load_profile(asked.profile), ordinary, asked.precision, asked.target, asked.threads
    )
    if isinstance(found, Unknown):
        raise ConfigError(
            f"search {path} is not valid: [estimate] has nothing to go by: {found.reason}; change the table or "
            "leave it out"
        )
