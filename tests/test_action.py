"""The composite action's own steps, in a clean environment without GitHub: what the runner would run, run here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fer_deploy.cli import COMMANDS
from fixtures.job import Job

ROOT = Path(__file__).resolve().parents[1]
ACTION = ROOT / "action.yml"


def steps() -> dict[str, str]:
    """Return each shell step's script by name. The file is YAML of the plainest kind; block scalars are all we read."""
    found: dict[str, str] = {}
    for block in ACTION.read_text(encoding="utf-8").split("\n    - ")[1:]:
        name = re.search(r"^name: (\w+)$", block, re.MULTILINE)
        script = block.partition("      run: |\n")[2]
        if name and script:
            found[name[1]] = "\n".join(line.removeprefix("        ") for line in script.splitlines())
    return found


def test_it_has_the_steps_and_quotes_every_input() -> None:
    assert list(steps()) == ["Install", "Run", "Check"]
    text = ACTION.read_text(encoding="utf-8")
    for script in steps().values():
        assert "${{" not in script, "an input is never pasted into a script: that would be code injection"
    inputs = set(re.findall(r"\$\{\{ inputs\.([\w-]+)", text))
    declared = set(
        re.findall(r"^  ([\w-]+):$", text.partition("inputs:")[2].partition("\nruns:")[0], re.MULTILINE)
    )
    assert inputs <= declared
    assert {"config", "check-args", "junit", "python-version"} <= declared


def test_the_commands_of_the_hook_and_the_action_exist() -> None:
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entry = re.search(r"entry: fer-deploy (\w+)", hook)
    assert entry
    assert entry[1] in COMMANDS
    for script in steps().values():
        for name in re.findall(r'/fer-deploy" (\w+)', script):
            assert name in COMMANDS


def test_the_hook_runs_on_every_commit() -> None:
    """A pattern of files would miss weights of another ending, a factory's code, and what a commit deletes."""
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert re.search(r"^  always_run: true\b", hook, re.MULTILINE)
    assert re.search(r"^  pass_filenames: false$", hook, re.MULTILINE)
    assert not re.search(r"^  (files|exclude|types|types_or):", hook, re.MULTILINE)


def test_it_pins_the_torch_of_the_project() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (torch,) = [one for one in dependencies if one.startswith("torch==")]
    expression = re.search(r"sed -n '(s/.*)'", steps()["Install"])
    assert expression
    done = subprocess.run(
        ["sed", "-n", expression[1], ROOT / "pyproject.toml"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == torch


@pytest.mark.parametrize(("limit", "code"), [("100000", 0), ("1", 3)])
def test_the_check_step_is_red_or_green(job: Job, tmp_path: Path, limit: str, code: int) -> None:
    """With a bare environment and the program on the path that the install step makes."""
    assert job.result.exit_code == 0, job.result.output
    shutil.copytree(job.config.parent, tmp_path / "work")
    program = tmp_path / "temp" / "fer-deploy" / "bin" / "fer-deploy"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m fer_deploy "$@"\n')
    program.chmod(0o755)
    environment: dict[str, Any] = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "CONFIG": "fer-deploy.toml",
        "JUNIT": "junit.xml",
        "CHECK_ARGS": f"--max-size-kb {limit}",
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps()["Check"]],
        cwd=tmp_path / "work",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert (tmp_path / "work" / "junit.xml").is_file()
    assert (tmp_path / "summary.md").read_text().startswith("## Verdicts")
    assert ("::error" in done.stdout) == (code == 3)


@pytest.mark.slow
def test_all_steps_in_a_consumers_repository(tmp_path: Path, model_folder: Path, faces_folder: Path) -> None:
    """Install, Run and Check from nothing, where the consumer's repository is: its own folders and configuration.

    Needs a package index; pip's own settings are passed on, nothing else is.
    """
    repository, temp = tmp_path / "repository", tmp_path / "temp"
    shutil.copytree(model_folder, repository / "nets" / "mine")
    shutil.copytree(faces_folder, repository / "faces")
    temp.mkdir()
    (repository / "ci").mkdir()
    (repository / "ci" / "gate.toml").write_text(
        '[model]\npath = "../nets/mine"\n[data]\nkind = "folder"\npath = "../faces"\n'
        "[quantize]\ncalibration_images = 64\n"
        '[export]\noutput = "../out"\n[profile.timing]\nmin_runs = 50\nmin_seconds = 0.0\n'
        '[budget]\nmax_size_kb = 100000\nmax_accuracy_drop = 50\naccept = ["measured", "emulated"]\n'
    )
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "RUNNER_TEMP": str(temp),
        "ACTION_PATH": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "CONFIG": "ci/gate.toml",
        "JUNIT": "junit.xml",
        "CHECK_ARGS": "--max-flips 50",
    }
    for name, script in steps().items():
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if name == "Install" and "Could not find a version" in done.stderr and done.returncode:
            pytest.skip(f"NO PACKAGE INDEX: the action was not installed: {done.stderr.strip()[-300:]}")
        assert done.returncode == 0, f"{name}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
    installed = subprocess.run(
        [temp / "fer-deploy" / "bin" / "python", "-c", "import torch, fer_deploy; print(torch.version.cuda)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    if sys.platform == "linux":
        assert installed.stdout.strip() == "None", "the CPU build"
    assert (repository / "out" / "mine" / "report.html").is_file()
    assert (repository / "junit.xml").is_file()
    assert (tmp_path / "summary.md").read_text().startswith("## Verdicts")
