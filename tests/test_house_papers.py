"""The licence fits what is depended on, and the papers say what is so."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Licences that put no condition on a program that only imports the package.
_PERMISSIVE = re.compile(r"apache|bsd|\bmit\b|python software foundation|\bpsf\b|hpnd|isc", re.IGNORECASE)


def _name(requirement: str) -> str:
    return re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0]


@pytest.mark.parametrize("requirement", _PROJECT["dependencies"])
def test_every_dependency_may_be_used_under_our_licence(requirement: str) -> None:
    told = importlib.metadata.metadata(_name(requirement))
    names = ("License-Expression", "License")
    words = [told[name][:200] for name in names if name in told]
    words += [line for line in told.get_all("Classifier") or [] if line.startswith("License")]
    files = importlib.metadata.files(_name(requirement)) or []  # torchao says it in its licence file only
    words += [file.read_text()[:400] for file in files if file.name.upper().startswith("LICENSE")]
    assert any(_PERMISSIVE.search(word) for word in words), words


def test_the_licence_is_the_one_that_the_package_names() -> None:
    assert _PROJECT["license"] == "Apache-2.0"
    text = (_ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_knows_this_version() -> None:
    text = (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{_PROJECT['version']}]" in text
    assert "## [Unreleased]" in text


@pytest.mark.parametrize("command", ["make test", "make run"])
def test_the_workflow_runs_the_readme_s_own_commands(command: str) -> None:
    workflow = (_ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert f"- run: {command}\n" in workflow
    assert re.search(rf"^ {{4}}{command}\b", (_ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
