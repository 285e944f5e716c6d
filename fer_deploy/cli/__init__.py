"""The command line: one file per command, each imported only when it is asked for."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import click

from fer_deploy.cli.examples import epilog
from fer_deploy.cli.streams import Steady, steady_streams
from fer_deploy.errors import FerDeployError, OutputError
from fer_deploy.heap import end_without_collecting
from fer_deploy.names import closest

#: Exit code of a command that Ctrl-C stopped, as shells give it: 128 and the number of SIGINT.
INTERRUPTED = 130

#: Command name to one line of help, in the order of the work; the command is ``command`` in the module of
#: that name. The lines stand here so that ``fer-deploy --help`` imports none of the modules.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "init": "Set a project up: configuration, contract, CI and hook.",
        "run": "Quantize, export, profile and report: the whole job.",
        "check": "Hold a report to its budget; exit 3 or 4 when it does not pass.",
        "baseline": "Write the reference that later checks are held to.",
        "report": "Print a report in full, or what changed between two.",
        "export": "Lower a model to one target's artifacts.",
        "calibrate": "Keep calibration ranges beside a model's weights.",
        "confidence": "Fit temperature and 'unsure' into a model's contract.",
        "bundle": "Put an artifact into a demo app.",
        "profile": "Time exported artifacts on a device.",
        "layers": "Show where the time goes inside an artifact.",
        "emulate": "Run artifacts on an emulated processor: parity, instructions.",
        "predict": "Classify one image with a model or an artifact.",
        "evaluate": "Print how a model or an artifact classifies a test set.",
        "compare": "Compare two artifacts, or an artifact and its float model.",
        "sensitivity": "Print and plot what quantizing each layer alone costs.",
        "data": "Make FER2013's npz, or show what a data set holds.",
        "train": "Train a model from a recipe.",
        "train-family": "Train teachers and all shipped models at once.",
        "split-student": "Make a model of one label set of a family's student.",
        "study": "Train architectures under the same conditions and compare them.",
        "search": "Search a space of architectures under a budget.",
        "frame": "Add up what one camera frame costs on a device.",
        "card": "Measure a zoo model and write its card.md.",
        "inspect": "Show what an artifact holds.",
        "devices": "List the device profiles and what is attached now.",
        "schema": "Print the JSON Schema of a file that you write.",
        "build-runner": "Build what runs artifacts on devices.",
        "doctor": "Say what can run here and what is missing.",
    }
)


class _Failure(click.ClickException):
    """A FerDeployError as click shows it: one sentence on stderr, and the error's own exit code."""

    def __init__(self, error: FerDeployError) -> None:
        super().__init__(" ".join(str(error).split()))
        # click declares a class variable; an instance's own value is what it reads
        self.__dict__["exit_code"] = error.exit_code


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"fer_deploy.cli.{cmd_name.replace('-', '_')}")
        command = cast(click.Command, module.command)
        command.epilog = epilog(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of ``args``; a usage error says which was probably meant, as click does of options."""
        if args and args[0] not in COMMANDS and (near := closest(args[0], COMMANDS)) is not None:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and leave Python with its exit code, whatever becomes of standard output."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        end_without_collecting()
        with steady_streams() as steady:
            code = self._code(args, prog_name, complete_var, **extra)
            sys.stdout.flush()
            code = _with_what_was_lost(code, steady)
        sys.exit(code)

    def _code(
        self, args: Sequence[str] | None, prog_name: str | None, complete_var: str | None, **extra: Any
    ) -> int:
        try:
            # click gives what a command exits with, and None for one that ends
            ended = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            return cast(int | None, ended) or 0
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("Interrupted: what was not complete is not kept.", err=True)
            return INTERRUPTED

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FerDeployError as error:
            raise _Failure(error) from error


def _with_what_was_lost(code: int, steady: Steady) -> int:
    """Return the exit code after saying on stderr what could not be printed, if anything."""
    if steady.lost is None:
        return code
    said = f"standard output cannot be written: {steady.lost}"
    if steady.last_word is not None:
        click.echo(f"Warning: {said}; {steady.last_word}", err=True)
        return code
    error = OutputError(f"{said}; what was printed is lost, send it elsewhere")
    _Failure(error).show()
    return code or error.exit_code


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001
    if value and not ctx.resilient_parsing:
        click.echo(f"fer-deploy {importlib.metadata.version('fer-deploy')}")
        ctx.exit()


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 a bug in fer-deploy, 2 bad input or usage, 3 a budget was exceeded, "
    "4 a required figure could not be measured, 130 interrupted by Ctrl-C.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def main() -> None:
    """Quantize, export, profile and gate small facial-expression-recognition networks."""
