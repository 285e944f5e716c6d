"""``fer-deploy init``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fer_deploy.cli.options import PATH
from fer_deploy.errors import FerDeployError

if TYPE_CHECKING:
    from fer_deploy.start.project import Project

Answer = TypeVar("Answer")


@click.command("init")
@click.option("--model", metavar="MODEL", help="package.module:factory, a .pt2 or a model folder.")
@click.option("--contract", type=PATH, help="The model's contract, where there is one already.")
@click.option("--weights", type=PATH, help="State dict of a factory that does not load its own.")
@click.option(
    "--name", help="Of the model in reports and of its folder.  [default: of its module, file or folder]"
)
@click.option("--size", metavar="PIXELS", help="Input size as in training: 64, or 64x48 (height x width).")
@click.option("--color", metavar="grey|rgb", help="Where the network's first convolution does not show it.")
@click.option(
    "--labels", metavar="A,B,C", help="In the order of the outputs.  [default: sorted folders of DATA/train]"
)
@click.option("--data", metavar="DIR", help="Folder with train/<label>/ and test/<label>/.")
@click.option(
    "--dataset", metavar="KIND", help="Another kind of images: ferplus, fer2013, fer2013_5, rafdb, rafdb5."
)
@click.option("--mean", metavar="NUMBERS", help="That training subtracted, of pixels 0..255.  [default: 0]")
@click.option("--std", metavar="NUMBERS", help="That training divided by, of pixels 0..255.  [default: 255]")
@click.option("--target", "targets", multiple=True, help="To export; may be given again.  [default: all]")
@click.option("--recipe", "recipes", multiple=True, help="May be given again.  [default: float, w8a8-ptq]")
@click.option("--action", metavar="OWNER/REPO@REF", help="Where fer-deploy's GitHub action is.")
@click.option("--yes", is_flag=True, help="Ask nothing; what is missing is an error or its default.")
@click.option("--force", is_flag=True, help="Overwrite files that are here already.")
def command(
    targets: tuple[str, ...],
    recipes: tuple[str, ...],
    action: str | None,
    yes: bool,
    force: bool,
    **flags: Any,
) -> None:
    """Set a project up in this folder: configuration, contract, CI and pre-commit hook.

    Reads from the model what it shows (colour, size, classes), takes the rest from flags and asks for what is missing.
    Writes fer-deploy.toml, contract.toml (of a factory or a .pt2), .github/workflows/fer-deploy.yml,
    .pre-commit-config.yaml and, for editors, .fer-deploy/*.json. All or none; no file is overwritten without --force.
    """
    from fer_deploy.pipeline.config import CONFIG_FILE, ExportSection
    from fer_deploy.start.files import HOOKS_FILE, Wanted, project_files, refuse_existing, write_project
    from fer_deploy.start.project import Given, gather
    from fer_deploy.start.texts import ACTION

    here = Path()
    if not force:
        refuse_existing(here, (CONFIG_FILE,))  # before any question
    project = gather(Given(**flags), _Asker(not yes and _somebody_answers()))
    export = ExportSection()
    wanted = Wanted(targets or export.targets, recipes or export.recipes, action or ACTION)
    files = project_files(project, wanted)
    own_hooks = (here / HOOKS_FILE).exists()
    if own_hooks:
        del files[HOOKS_FILE]
    replaced = write_project(here, files, force)
    for name in files:
        click.echo(f"{'replaced' if name in replaced else 'wrote'} {name}")
    _say_what_is_left(project, own_hooks, action is None)


def _somebody_answers() -> bool:
    return sys.stdin.isatty()


class _Asker:
    """Takes a fact from its flag, else asks for it on the terminal until it is understood."""

    def __init__(self, may_ask: bool) -> None:
        self.may_ask = may_ask

    def __call__(
        self,
        question: str,
        flag: str,
        given: str | None,
        parse: Callable[[str], Answer],
        default: str | None = None,
    ) -> Answer:
        if given is not None:
            return parse(given)
        if not self.may_ask:
            if default is None:
                raise click.UsageError(f"{flag} is missing, and nobody can be asked. {question}.")
            return parse(default)
        while True:
            try:
                return parse(click.prompt(question, default=default, err=True))
            except FerDeployError as error:
                click.echo(f"Error: {' '.join(str(error).split())}", err=True)


def _say_what_is_left(project: Project, own_hooks: bool, action_unknown: bool) -> None:
    """Print what the user has still to do, the next command last."""
    from fer_deploy.start.files import HOOKS_FILE, WORKFLOW_FILE
    from fer_deploy.start.project import CONTRACT_FILE
    from fer_deploy.start.texts import HOOK, OWNER, hook_text

    if own_hooks and HOOK not in Path(HOOKS_FILE).read_text(encoding="utf-8", errors="replace"):
        click.echo(f"\n{HOOKS_FILE} is yours and was left alone; add under repos:\n\n{hook_text()}")
    if action_unknown:
        click.echo(f"{WORKFLOW_FILE}: put the owner of your fer-deploy repository in the place of {OWNER}")
    if project.written:
        click.echo(f"{CONTRACT_FILE}: see that mean and std are those of the training")
    click.echo("next: fer-deploy run")
