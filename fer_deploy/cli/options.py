"""Options that several commands share, and the configuration that they make together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from fer_deploy.pipeline.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])

#: A path that commands check themselves, so that every missing file reads the same.
PATH = click.Path(path_type=Path)

_FOREIGN = (
    click.option("--contract", type=PATH, help="Contract TOML of a .pt2 or a factory."),
    click.option("--weights", type=PATH, help="State dict of a factory's module (.safetensors or .pt)."),
)
_MODEL = (
    click.option(
        "--model", metavar="MODEL", help="Zoo folder, .pt2 exported program, or package.module:factory."
    ),
    *_FOREIGN,
)
_CONFIG = click.option(
    "--config", type=PATH, help="Configuration TOML.  [default: fer-deploy.toml, if there is one]"
)
_DATA = (
    click.option("--dataset", metavar="KIND", help="ferplus, fer2013, rafdb, rafdb5 or folder."),
    click.option("--data", type=PATH, help="The dataset's file or folder.  [default: $FER_DATA's npz]"),
)
_EXPORT = (
    click.option(
        "--recipe", "recipes", multiple=True, help="float, fp16, w8, w8a8-ptq, w8a8-qat; may be given again."
    ),
    click.option("--output", type=PATH, help="Folder for artifacts and reports.  [default: dist]"),
    click.option("--calibration-images", type=int, help="Size of the calibration set."),
    click.option("--delegate", metavar="NAME", help="xnnpack or coreml, of the executorch target."),
    click.option("--ios", type=int, help="Oldest iOS that loads a Core ML package, 15 to 18.  [default: 17]"),
    click.option("--image-input", is_flag=True, default=None, help="Core ML: take an image, not an array."),
    click.option(
        "--classifier", is_flag=True, default=None, help="Core ML: answer label and probabilities too."
    ),
)


def all_of(options: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """Return a decorator that adds ``options`` to a command, in that order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


model_options = all_of(_MODEL)
foreign_model_options = all_of(_FOREIGN)
data_options = all_of(_DATA)
split_option = click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="test",
    show_default=True,
    help="PublicTest or PrivateTest of FER2013 and FER+.",
)
config_option = _CONFIG
export_options = all_of(_EXPORT)


def configuration(
    config: Path | None,
    *,
    model: str | None = None,
    contract: Path | None = None,
    weights: Path | None = None,
    dataset: str | None = None,
    data: Path | None = None,
    targets: tuple[str, ...] = (),
    recipes: tuple[str, ...] = (),
    output: Path | None = None,
    calibration_images: int | None = None,
    delegate: str | None = None,
    ios: int | None = None,
    image_input: bool | None = None,
    classifier: bool | None = None,
    devices: tuple[str, ...] = (),
    threads: int | None = None,
) -> Config:
    """Return the configuration file with the flags that were given laid over it.

    A ``--model`` replaces the file's whole ``[model]`` table: another model's contract or weights would be wrong.

    Raises:
        ConfigError, TargetError: see :func:`fer_deploy.pipeline.config.load_config`.
    """
    from fer_deploy.pipeline.config import load_config

    timing = {"threads": threads} if threads is not None else None
    return load_config(
        config,
        {
            "model": {"path": model, "contract": contract, "weights": weights},
            "data": {"kind": dataset, "path": data},
            "quantize": {"calibration_images": calibration_images},
            "export": {
                "targets": targets or None,
                "recipes": recipes or None,
                "output": output,
                "delegate": delegate,
                "coreml": {"ios": ios, "image_input": image_input, "classifier": classifier},
            },
            "profile": {"devices": devices or None, "timing": timing},
        },
        replace=("model",) if model is not None else (),
    )


def optional_configuration(path: Path | None, needed: bool) -> Config | None:
    """Return the configuration in ``path`` or fer-deploy.toml; None when it is not ``needed`` and there is no file.

    Raises:
        ConfigError: see :func:`fer_deploy.pipeline.config.load_config`.
    """
    from fer_deploy.pipeline.config import CONFIG_FILE, load_config

    if path is None and not needed and not Path(CONFIG_FILE).is_file():
        return None
    return load_config(path)
