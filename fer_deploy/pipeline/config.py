"""``fer-deploy.toml``: what to deploy, how, and onto which devices. Flags of the command line override it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializeAsAny,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from fer_deploy.data.registry import DatasetSpec
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.errors import ConfigError
from fer_deploy.files import as_path, read_toml
from fer_deploy.frozen import Frozen, first_problem
from fer_deploy.gate.budget import Budget, Waiver
from fer_deploy.model.names import checked_name
from fer_deploy.quantize.recipe import PtqOptions, parse_recipe
from fer_deploy.targets.options import TargetOptions
from fer_deploy.targets.registry import default_target_names, target_class, target_classes
from fer_deploy.train.recipe import DistillRecipe

CONFIG_FILE = "fer-deploy.toml"


class ModelSection(Frozen):
    """``[model]``: what :func:`fer_deploy.model.load_model` takes."""

    path: str = Field(description="zoo folder, .pt2 exported program, or package.module:factory")
    contract: Path | None = Field(default=None, description="contract TOML of a .pt2 or a factory")
    weights: Path | None = Field(
        default=None, description="state dict of a factory's module; left out, the factory loads its own"
    )
    name: str | None = Field(
        default=None,
        description="of the folder in output and of the model in reports; left out, that of its folder, file or module",
    )

    @field_validator("name")
    @classmethod
    def _a_folders_name(cls, name: str | None) -> str | None:
        return None if name is None else checked_name(name)


class QuantizeSection(Frozen):
    """``[quantize]``: the calibration set, always drawn from the training split, and what is done with it."""

    calibration_images: int = Field(default=512, ge=1)
    seed: int = 0
    ptq: PtqOptions = PtqOptions()
    qat: DistillRecipe = Field(default=DistillRecipe(), description="recipe w8a8-qat only")
    qat_work_dir: Path = Field(default=Path("runs/qat"), description="holds the checkpoint of w8a8-qat")


class ExportSection(Frozen):
    """``[export]``: which artifacts to write, and where."""

    targets: tuple[str, ...] = Field(default_factory=default_target_names, min_length=1)
    recipes: tuple[str, ...] = Field(default=("float", "w8a8-ptq"), min_length=1)
    output: Path = Path("dist")
    options: Mapping[str, SerializeAsAny[TargetOptions]] = Field(
        default_factory=dict,
        description="of each target that has some; in the file they stand in [export] or [export.TARGET]",
    )

    def options_of(self, target: str) -> TargetOptions | None:
        """Return what :func:`fer_deploy.targets.registry.get_target` takes for ``target``, or None."""
        return self.options.get(target)

    @model_validator(mode="before")
    @classmethod
    def _sorted_by_target(cls, table: Any) -> Any:
        if not isinstance(table, Mapping):
            return table
        own = {key: value for key, value in table.items() if key in cls.model_fields and key != "options"}
        return {**own, "options": _target_options({key: table[key] for key in table if key not in own})}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of the table as it stands in the file: with the keys of the targets' options."""
        whole = handler(core_schema)
        properties = handler.resolve_ref_schema(whole)["properties"]
        del properties["options"]
        kind, _ = _options_model()
        properties |= handler.resolve_ref_schema(handler(kind.__pydantic_core_schema__))["properties"]
        return whole

    @field_validator("targets")
    @classmethod
    def _known_targets(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            target_class(name)
        return tuple(dict.fromkeys(names))

    @field_validator("recipes")
    @classmethod
    def _known_recipes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(parse_recipe(name).name for name in names))


def _options_model() -> tuple[type[Frozen], dict[str, type[TargetOptions]]]:
    """Return a model of all that ``[export]`` may hold of targets, and each target's type of options by its name."""
    homes: dict[str, type[TargetOptions]] = {}
    keys: dict[str, Any] = {}
    for target in target_classes():
        kind, fields = target.options_type, dataclasses.fields(target.options_type)
        if not fields:
            continue
        homes[target.name] = kind
        if kind.in_export:
            hints = get_type_hints(kind)
            keys |= {field.name: (hints[field.name], field.default) for field in fields}
        else:
            keys[target.name] = (kind, kind())
    # One model of all keys, so that what is wrong is named by its place in the file.
    return create_model("options", __base__=Frozen, **keys), homes


def _target_options(table: Mapping[str, Any]) -> dict[str, TargetOptions]:
    """Return target name to options, of what of ``[export]`` is not its own; ValidationError of a strange key."""
    kind_of_all, homes = _options_model()
    found = kind_of_all.model_validate(dict(table))
    return {
        name: kind(**{field.name: getattr(found, field.name) for field in dataclasses.fields(kind)})
        if kind.in_export
        else getattr(found, name)
        for name, kind in homes.items()
    }


class ProfileSection(Frozen):
    """``[profile]``: the devices, and how latency is timed on them."""

    devices: tuple[str, ...] = Field(default=("host",), min_length=1)
    results: tuple[Path, ...] = Field(
        default=(),
        description="timing.json files that the iOS demo's benchmark wrote on the iPhone in devices",
    )
    timing: TimingProtocol = TimingProtocol()
    npu_images: int = Field(
        default=0,
        ge=0,
        description="test images that int8 onnx artifacts are run on the NPU of each Snapdragon phone in devices, as "
        "Qualcomm's library emulates it; the float model's closest calls first; 0: none",
    )
    npu_activations: Literal[8, 16] = Field(
        default=8, description="bits of activations there; 16: the same graph and ranges in finer steps"
    )


class CorruptionsSection(Frozen):
    """``[corruptions]``: how the model and its artifacts do on spoilt pictures of some test images."""

    images: int = Field(
        default=0,
        ge=0,
        description="test images, each under 22 kinds of corruption at 3 severities; 0: nothing is corrupted",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="of the draw of images and of every corruption")


class Config(Frozen):
    """A whole ``fer-deploy.toml``. Relative paths in it are relative to its folder."""

    model: ModelSection
    data: DatasetSpec = DatasetSpec()
    quantize: QuantizeSection = QuantizeSection()
    export: ExportSection = Field(default_factory=ExportSection)
    profile: ProfileSection = ProfileSection()
    corruptions: CorruptionsSection = CorruptionsSection()
    budget: Budget = Budget()
    waiver: tuple[Waiver, ...] = Field(default=(), description="``[[waiver]]``")


def load_config(
    path: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    replace: tuple[str, ...] = (),
) -> Config:
    """Return the configuration in ``path`` with ``overrides`` laid over it.

    Args:
        path: the TOML file; None for ``fer-deploy.toml`` in the working folder, which may be absent.
        overrides: section to key to value; a value of None leaves the file's. Tables within a section
            are laid over the file's in the same way.
        replace: sections of which nothing in the file is kept.

    Raises:
        ArgumentError: ``path`` is no path.
        ConfigError: ``path`` does not exist or is not TOML, a key is unknown or out of range, or no model
            is named.
        TargetError: a target is unknown.
    """
    table: dict[str, Any] = {}
    source = Path(CONFIG_FILE) if path is None else as_path(path, "config")
    if path is not None or source.is_file():
        table = _anchored(read_toml(source, ConfigError, "configuration"), source.parent)
    for section in replace:
        table.pop(section, None)
    table = _laid_over(table, overrides or {})
    if "model" not in table:
        where = f"{source} has no [model] table" if source.is_file() else f"there is no {CONFIG_FILE} here"
        raise ConfigError(f"{where} and no --model was given; name the model to deploy in either")
    try:
        return Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"configuration {source} is not valid: {first_problem(error, Config)}") from None


def _laid_over(table: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(table)
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            below = merged.get(key)
            inner = _laid_over(below if isinstance(below, dict) else {}, value)
            if inner:
                merged[key] = inner
        elif value is not None:
            merged[key] = value
    return merged


def _anchored(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return ``table`` with the relative paths that it holds made relative to ``folder`` instead."""
    anchored = dict(table)
    for section, keys in (
        ("model", ("path", "contract", "weights")),
        ("data", ("path",)),
        ("quantize", ("qat_work_dir",)),
        ("export", ("output",)),
        ("profile", ("results",)),
    ):
        values = anchored.get(section)
        if not isinstance(values, dict):
            continue  # pydantic says what is wrong with it
        anchored[section] = {
            key: _below(folder, value) if key in keys else value for key, value in values.items()
        }
    return anchored


def _below(folder: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_below(folder, one) for one in value]
    return str(folder / value) if isinstance(value, str) and ":" not in value else value
