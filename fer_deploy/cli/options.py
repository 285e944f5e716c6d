"""Options that several commands share, and the configuration that they make together."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from fer_deploy.pipeline.config import Config
    from fer_deploy.targets.options import Flag

Command = TypeVar("Command", bound=Callable[..., Any])

#: A path that commands check themselves, so that every missing file reads the same.
PATH = click.Path(path_type=Path)


class Number(click.FloatRange):
    """A number on the command line, in a range or any; infinity and NaN, which Python's float reads, are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; a usage error names the option and says what is wrong."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no number that can be compared; give a finite one.", param, ctx)
        return number


_FOREIGN = (
    click.option("--contract", type=PATH, help="Contract TOML of a .pt2 or a factory."),
    click.option(
        "--weights",
        type=PATH,
        help="State dict of a factory that does not load its own (.safetensors or .pt).",
    ),
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
    click.option(
        "--dataset",
        metavar="KIND",
        help="ferplus, fer2013, fer2013_5, rafdb, rafdb5, folder, or sample (drawn faces).",
    ),
    click.option(
        "--data", type=PATH, help="The dataset's file or folder.  [default: $FER_DATA's npz; else sample]"
    ),
)
_EXPORT = (
    click.option(
        "--recipe", "recipes", multiple=True, help="float, fp16, w8, w8a8-ptq, w8a8-qat; may be given again."
    ),
    click.option("--output", type=PATH, help="Folder for artifacts and reports.  [default: dist]"),
    click.option("--calibration-images", type=int, help="Size of the calibration set."),
)
_LAST_OF_EXPORT = "calibration_images"


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
#: Not from fer_deploy.data.ferplus: its NumPy would be imported for --help; a test compares the two.
PROTOCOL_NAMES = ("plurality", "majority", "cross-entropy", "raw")
protocol_option = click.option(
    "--protocol",
    type=click.Choice(PROTOCOL_NAMES),
    help="Which images of FER+ count: those whose most-voted class is an emotion (3,546 of PrivateTest), the authors' "
    "majority mode (3,153), their cross-entropy mode (3,505), or the largest number in each row (3,562).  "
    "[default: plurality]",
)
config_option = _CONFIG
#: For an :class:`ExportCommand`.
export_options = all_of(_EXPORT)


class ExportCommand(click.Command):
    """A command with the options of an export, among them the flags of every target that there is when it is called."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's parameters, the targets' flags behind the export's own."""
        from fer_deploy.targets.registry import target_classes

        params = super().get_params(ctx)
        own = [_option(flag) for target in target_classes() for flag in target.options_type.flags]
        behind = 1 + [param.name for param in params].index(_LAST_OF_EXPORT)
        return [*params[:behind], *own, *params[behind:]]


def _option(flag: Flag) -> click.Option:
    if flag.kind is bool:
        return click.Option([flag.name], is_flag=True, default=None, help=flag.help)
    return click.Option([flag.name], type=flag.kind, metavar=flag.metavar, help=flag.help)


def configuration(config: Path | None, **flags: Any) -> Config:
    """Return the configuration file with the flags that were given laid over it.

    Raises:
        ConfigError, TargetError: see :func:`fer_deploy.pipeline.overrides.overridden_config`.
    """
    from fer_deploy.pipeline.overrides import overridden_config

    return overridden_config(config, **flags)
