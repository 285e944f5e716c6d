"""``fer-deploy check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from fer_deploy.cli.options import PATH, all_of, config_option, optional_configuration
from fer_deploy.gate.limits import LIMITS, Acceptable

if TYPE_CHECKING:
    from fer_deploy.gate.budget import Budget
    from fer_deploy.pipeline.config import Config


_limit_options = all_of(
    tuple(
        click.option(
            kind.option,
            kind.key,
            type=click.FloatRange(kind.counted.lowest, kind.counted.highest),
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
    "--recompute", "again", is_flag=True, help="Run the artifacts again on 200 test images, and compare."
)
@click.option(
    "--plan", "planning", is_flag=True, help="Say how many test images the budget needs; judge nothing."
)
@click.option(
    "--chance",
    type=click.FloatRange(50, 99.9),
    default=90,
    show_default=True,
    metavar="NUMBER",
    help="Chance to pass that --plan is for, per cent.",
)
@click.option("--junit", type=PATH, help="Write the verdicts as JUnit XML to this file.")
@click.option("--github", is_flag=True, help="Print annotations, and append to $GITHUB_STEP_SUMMARY.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def command(
    report: Path | None,
    config: Path | None,
    accept: tuple[str, ...],
    reference: Path | None,
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
    verdicts to report.md and report.html.
    """
    from fer_deploy.cli.console import stdout_console
    from fer_deploy.files import write_atomic
    from fer_deploy.pipeline.check import check_report, default_report, reference_beside
    from fer_deploy.views.junit import render_junit
    from fer_deploy.views.terminal import print_check
    from fer_deploy.views.write import write_check

    chosen = optional_configuration(config, needed=report is None)
    if planning:
        _plan(report, chosen, _budget(chosen, limits, accept), chance / 100, as_json)
        return
    if report is None:
        assert chosen is not None
        report = default_report(chosen)
    budget = _budget(chosen, limits, accept)
    judged, check = check_report(report, chosen, budget, reference or reference_beside(config), again=again)
    write_check(judged, check, report.parent)
    if junit is not None:
        write_atomic(junit, render_junit(check))
    if as_json:
        click.echo(check.model_dump_json(indent=2))
    else:
        print_check(check, stdout_console())
    if github:
        _tell_github(check, config)
    click.get_current_context().exit(check.exit_code)


def _budget(config: Config | None, limits: dict[str, float | None], accept: tuple[str, ...]) -> Budget:
    from fer_deploy.gate.budget import Budget

    return (config.budget if config else Budget()).overridden(limits, accept)


def _plan(report: Path | None, config: Config | None, budget: Budget, chance: float, as_json: bool) -> None:
    from fer_deploy.pipeline.plan import plan_budget
    from fer_deploy.views.plan import print_plan

    plan = plan_budget(report, config, budget, chance)
    if as_json:
        click.echo(plan.model_dump_json(indent=2))
    else:
        from fer_deploy.cli.console import stdout_console

        print_plan(plan, stdout_console())


def _tell_github(check: Any, config: Path | None) -> None:
    import os

    from fer_deploy.errors import OutputError
    from fer_deploy.views.github import step_summary, workflow_commands

    for line in workflow_commands(check, str(config) if config else None):
        click.echo(line)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as stream:
                stream.write(step_summary(check))
        except OSError as error:
            raise OutputError(f"cannot write the step summary {summary}: {error.strerror}") from error
