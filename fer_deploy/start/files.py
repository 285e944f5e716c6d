"""The files of a new project: all are written or none, and none is overwritten unasked."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from fer_deploy.contract import parse_contract
from fer_deploy.errors import OutputError
from fer_deploy.files import write_together
from fer_deploy.pipeline.config import CONFIG_FILE, Config
from fer_deploy.schemas.make import shipped_file
from fer_deploy.start import texts
from fer_deploy.start.project import CONTRACT_FILE, Project

WORKFLOW_FILE = ".github/workflows/fer-deploy.yml"
HOOKS_FILE = ".pre-commit-config.yaml"
_SCHEMA_FILES = {"config": ".fer-deploy/config.json", "contract": ".fer-deploy/contract.json"}


@dataclass(frozen=True)
class Wanted:
    """What beside the project decides its files.

    Attributes:
        action: OWNER/REPOSITORY@REF of fer-deploy's GitHub action.
    """

    targets: tuple[str, ...]
    recipes: tuple[str, ...]
    action: str


def project_files(project: Project, wanted: Wanted) -> dict[str, bytes]:
    """Return the content of each file by its path; the hook's is among them.

    Raises:
        ConfigError, TargetError: a recipe or a target is unknown.
    """
    config = texts.config_text(project, wanted.targets, wanted.recipes, _SCHEMA_FILES["config"])
    Config.model_validate(tomllib.loads(config))
    found = {CONFIG_FILE: config}
    if project.written:
        found[CONTRACT_FILE] = texts.contract_text(project, _SCHEMA_FILES["contract"])
        said = parse_contract(tomllib.loads(found[CONTRACT_FILE])["contract"], CONTRACT_FILE)
        assert said == project.contract, "the text says what was gathered"
    found[WORKFLOW_FILE] = texts.workflow_text(wanted.action)
    found[HOOKS_FILE] = f"repos:\n{texts.hook_text()}"
    for name, file in _SCHEMA_FILES.items():
        if name == "config" or project.written:
            found[file] = shipped_file(name).read_text(encoding="utf-8")
    return {file: text.encode() for file, text in found.items()}


def in_the_way(folder: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of ``names`` that there are in ``folder`` already."""
    return tuple(name for name in names if (folder / name).exists() or (folder / name).is_symlink())


def refuse_existing(folder: Path, names: tuple[str, ...]) -> None:
    """Raise OutputError when one of ``names`` is in ``folder``; the sentence names all that are."""
    if there := in_the_way(folder, names):
        raise OutputError(
            f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} here already; nothing was written: move "
            f"{'it' if len(there) == 1 else 'them'} away, or overwrite with --force"
        )


def write_project(folder: Path, files: dict[str, bytes], force: bool) -> tuple[str, ...]:
    """Write ``files`` into ``folder``, all or none, and return those that were there before.

    Raises:
        OutputError: one is there and ``force`` is not set, or they cannot be written.
    """
    if not force:
        refuse_existing(folder, tuple(files))
    for name in files:
        if (folder / name).is_dir():
            raise OutputError(f"{name} is a folder; nothing was written: move it away")
    replaced = in_the_way(folder, tuple(files))
    made: list[Path] = []
    try:
        for parent in sorted({(folder / name).parent for name in files}):
            made += [one for one in (*reversed(parent.parents), parent) if not one.exists()]
            parent.mkdir(parents=True, exist_ok=True)
        write_together(folder, files)
    except (OSError, OutputError) as error:
        for one in reversed(made):
            if one.is_dir() and not any(one.iterdir()):
                one.rmdir()
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write into {folder}: {error.strerror}; nothing was written") from error
    return replaced
