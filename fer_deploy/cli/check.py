"""``fer-deploy check``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from fer_deploy.cli.options import PATH, Number, all_of, config_option
from fer_deploy.cli.streams import keep_verdict, print_json
from fer_deploy.errors import OutputError
from fer_deploy.gate.limits import DEFAULT_SLOWDOWN, LIMITS, Acceptable

if TYPE_CHECKING:
    from fer_deploy.gate.budget import Budget
    from fer_deploy.gate.verdicts import Check
    from fer_deploy.pipeline.config import Config


_limit_options = all_of(
    tuple(
        click.option(
            kind.option,
            kind.key,
            type=Number(kind.counted.lowest, kind.counted.highest),
            metavar="NUMBER",
            help=kind.help,
        )
        for kind in LIMITS.values()
    )
)


@click.command("check")
@click.argument("report", type=PATH, required=False)
@config_option
@_limit_options
@click.option(
    "--accept",
    multiple=True,
    type=click.Choice(get_args(Acceptable)),
    help="Provenance with which a figure may pass; may be given again.  [default: measured]",
)
@click.option(
    "--reference",
    type=PATH,
    help="Reference written by `fer-deploy baseline`.  [default: fer-deploy.reference.json, if there is one]",
)
@click.option(
    "--against",
    type=PATH,
    help="Time the artifacts beside those of this earlier report, on this machine and the devices at hand.",
)
@click.option(
    "--max-slowdown",
    type=Number(0.5, 1000),
    default=DEFAULT_SLOWDOWN,
    show_default=True,
    metavar="NUMBER",
    help="Slowdown that --against must rule out, per cent.",
)
@click.option(
    "--recompute", "again", is_flag=True, help="Run the artifacts again on 200 test images, and compare."
)
@click.option(
    "--plan", "planning", is_flag=True, help="Say how many test images the budget needs; judge nothing."
)
@click.option(
    "--chance",
    type=Number(50, 99.9),
    default=90,
    show_default=True,
    metavar="NUMBER",
    help="Chance to pass that --plan is for, per cent.",
)
@click.option("--junit", type=PATH, help="Write the verdicts as JUnit XML to this file.")
@click.option(
    "--github",
    is_flag=True,
    help="Print annotations (on stderr with --json), and append to $GITHUB_STEP_SUMMARY.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def command(
    report: Path | None,
    config: Path | None,
    accept: tuple[str, ...],
    reference: Path | None,
    against: Path | None,
    max_slowdown: float,
    again: bool,
    planning: bool,
    chance: float,
    junit: Path | None,
    github: bool,
    as_json: bool,
    **limits: float | None,
) -> None:
    """Hold a report to its budget; exit 3 or 4 when it does not pass.

    REPORT is a report.json with its artifacts beside it; by default the one that `run` wrote for fer-deploy.toml,
    whose [budget] holds unless a flag overrides it. Every figure passes, fails (exit 3) or was not measured (exit 4),
    and the artifacts must be the files that were reported on. Writes check.json beside the report and adds the
    verdicts to report.md and report.html; what cannot be written is said on stderr, and the verdict stands.
    """
    from fer_deploy.cli.console import stdout_console
    from fer_deploy.files import alone_in, write_atomic
    from fer_deploy.pipeline.check import check_report, default_report, reference_beside
    from fer_deploy.pipeline.overrides import optional_config
    from fer_deploy.views.ci import render_junit
    from fer_deploy.views.terminal import print_check
    from fer_deploy.views.write import write_check

    source = click.get_current_context().get_parameter_source("max_slowdown")
    if against is None and source is not click.core.ParameterSource.DEFAULT:
        raise click.UsageError(
            "--max-slowdown is what --against must rule out; name an earlier report by --against."
        )
    unused = [
        name
        for name, given in (
            ("--recompute", again), ("--against", against), ("--reference", reference), ("--junit", junit),
            ("--github", github),
        )
        if given
    ]  # fmt: skip
    if planning and unused:
        raise click.UsageError(
            f"--plan judges nothing, so {unused[0]} has nothing to say; leave one of them out."
        )
    chosen = optional_config(config, needed=report is None)
    if planning:
        _plan(report, chosen, _budget(chosen, limits, accept), chance / 100, as_json)
        return
    if report is None:
        assert chosen is not None
        report = default_report(chosen)
    budget = _budget(chosen, limits, accept)
    judged, check = check_report(
        report,
        chosen,
        budget,
        reference or reference_beside(config),
        again=again,
        against=against,
        max_slowdown=max_slowdown,
    )
    keep_verdict(check.summary)
    with _said_only(), alone_in(report.parent):
        write_check(judged, check, report.parent)
    if junit is not None:
        with _said_only():
            write_atomic(junit, render_junit(check))
    if as_json:
        print_json(check.model_dump_json(indent=2))
    else:
        print_check(check, stdout_console())
    if github:
        _annotate(check, config, on_stderr=as_json)
        with _said_only():
            _append_summary(check)
    click.get_current_context().exit(check.exit_code)


def _budget(config: Config | None, limits: dict[str, float | None], accept: tuple[str, ...]) -> Budget:
    from fer_deploy.gate.budget import Budget

    return (config.budget if config else Budget()).overridden(limits, accept)


@contextlib.contextmanager
def _said_only() -> Iterator[None]:
    """Say what the block cannot write, and go on: the verdict stands, and is the exit code."""
    try:
        yield
    except OutputError as error:
        click.echo(f"Warning: {error}", err=True)


def _plan(report: Path | None, config: Config | None, budget: Budget, chance: float, as_json: bool) -> None:
    from fer_deploy.pipeline.plan import plan_budget
    from fer_deploy.views.plan import print_plan

    plan = plan_budget(report, config, budget, chance)
    if as_json:
        print_json(plan.model_dump_json(indent=2))
    else:
        from fer_deploy.cli.console import stdout_console

        print_plan(plan, stdout_console())


def _annotate(check: Check, config: Path | None, on_stderr: bool) -> None:
    """Print the annotations; GitHub reads them from either stream, and JSON needs its stream for itself."""
    from fer_deploy.pipeline.config import CONFIG_FILE
    from fer_deploy.views.ci import workflow_commands

    file = config if config is not None else Path(CONFIG_FILE)
    for line in workflow_commands(check, _in_workspace(file) if file.is_file() else None):
        click.echo(line, err=on_stderr)


def _in_workspace(file: Path) -> str:
    """Return a path as annotations name it: relative to the repository, where the job says where that is."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if workspace:
        with contextlib.suppress(ValueError):
            return file.resolve().relative_to(Path(workspace).resolve()).as_posix()
    return str(file)


def _append_summary(check: Check) -> None:
    from fer_deploy.views.ci import SUMMARY_LIMIT, step_summary

    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    path = Path(summary)
    try:
        there = path.stat().st_size if path.exists() else 0
        with path.open("a", encoding="utf-8") as stream:
            stream.write(step_summary(check, SUMMARY_LIMIT - there))
    except OSError as error:
        raise OutputError(f"cannot write the step summary {path}: {error.strerror}") from error
