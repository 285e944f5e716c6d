"""What a search is on disk: the file with its space and limits, the schema of what came of it, and that as Markdown."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import Field, ValidationError, model_validator

from fer_deploy.contract import InputSpec
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.errors import ConfigError
from fer_deploy.experiments.study_schema import read_train_file, train_recipe
from fer_deploy.files import write_atomic
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.measure.measurement import Measurement
from fer_deploy.model import Architecture
from fer_deploy.report.wording import amount, interval
from fer_deploy.train.recipe import TrainRecipe
from fer_deploy.views.markdown import fill

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

    def value(self, option: Option) -> str:
        """Return the value of an option as text."""
        return option_text(self.size if option == "size" else getattr(self.architecture, option))

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
    """What a candidate may cost at most; one that costs more is drawn again and not trained."""

    parameters: int | None = Field(default=None, ge=1)
    macs: int | None = Field(default=None, ge=1, description="multiply-accumulates of one inference")
    latency_ms: float | None = Field(
        default=None,
        gt=0,
        description="median of the int8 artifact on this machine; not repeatable elsewhere",
    )


class SearchSpec(Frozen):
    """A whole search file. Relative paths in it are relative to its folder."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    candidates: int = Field(default=24, ge=2, description="how many are trained")
    random: int = Field(
        default=12, ge=2, description="how many of them are drawn at random, before evolution"
    )
    population: int = Field(default=8, ge=2, description="the youngest so many may become parents")
    tournament: int = Field(default=3, ge=1, description="parents are the best of so many drawn")
    seed: int = Field(default=0, ge=0)
    space: Space
    limits: SearchLimits
    train: dict[str, Any] = Field(description="a training recipe without architecture and seed: the proxy")
    timing: TimingProtocol = TimingProtocol()

    @model_validator(mode="after")
    def _enough_points(self) -> SearchSpec:
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
    """
    try:
        spec = SearchSpec.model_validate(read_train_file(path, "search", data))
    except ValidationError as error:
        raise ConfigError(f"search {path} is not valid: {first_problem(error)}") from None
    first = spec.space.candidate({option: spec.space.values(option)[0] for option in OPTIONS})
    first.architecture.build(2, 1)
    spec.recipe(first)
    return spec


TEMPLATE = "search.md.j2"


class SearchRow(Frozen):
    """One candidate; accuracy is that of the short training, on the validation split."""

    label: str
    options: dict[str, str]
    parameters: Measurement
    macs: Measurement
    latency: Measurement | None = Field(description="None where the search has no limit on it")
    accuracy: Measurement
    order: int = Field(description="as the how-manieth it was trained, from 1")


class Effect(Frozen):
    """What one option explains of the candidates' accuracies."""

    option: str
    share: float = Field(description="variance between the option's values over all variance, 0 to 1")
    means: dict[str, float] = Field(description="value to mean accuracy, fractions")
    counts: dict[str, int] = Field(description="value to number of candidates")


class SearchReport(Frozen):
    """A finished search, best candidate first."""

    schema_version: Literal["1.0"] = "1.0"
    name: str
    created: str
    command: str
    versions: dict[str, str]
    host: str
    validation: str
    spec: str = Field(description="the search file, with every default, as TOML")
    refused: int = Field(description="candidates that were drawn and cost too much")
    hours: float = Field(description="wall time of all trainings")
    rows: tuple[SearchRow, ...]
    effects: tuple[Effect, ...]


def render_search(report: SearchReport) -> str:
    """Return the search as Markdown."""
    effects = sorted(
        (one for one in report.effects if len(one.means) > 1), key=lambda one: one.share, reverse=True
    )
    fixed = [one.option for one in report.effects if len(one.means) < 2]
    return fill(TEMPLATE, report=report, effects=effects, fixed=fixed, amount=amount, interval=interval)


def write_search(report: SearchReport, folder: Path) -> dict[str, Path]:
    """Write ``search.json`` and ``search.md`` into ``folder`` and return them by file name.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    files = {"search.json": report.model_dump_json(indent=1) + "\n", "search.md": render_search(report)}
    for name, content in files.items():
        write_atomic(folder / name, content)
    return {name: folder / name for name in files}
