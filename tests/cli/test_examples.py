"""Help that teaches: every command has examples, and each is read by the command as it stands."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from fer_deploy.cli import COMMANDS, main
from fer_deploy.cli.examples import EXAMPLES, examples
from fixtures.commands import read_line


def test_every_command_has_examples() -> None:
    assert list(EXAMPLES) == list(COMMANDS)


@pytest.mark.parametrize(("name", "line"), [(name, line) for name in EXAMPLES for line, _ in examples(name)])
def test_an_example_is_what_the_command_reads(name: str, line: str) -> None:
    assert line.split()[0] == name
    assert read_line(line)


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_help_shows_them_as_they_are(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"]).output
    for line, what in examples(name):
        assert f"  fer-deploy {line}\n" in shown
        assert what in shown


@pytest.mark.parametrize(
    ("words", "place", "wanted"),
    [("fer-deploy ca", 1, "calibrate"), ("fer-deploy check --max-a", 2, "--max-accuracy-drop")],
)
def test_a_shell_completes_commands_and_options(words: str, place: int, wanted: str) -> None:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(place), "_FER_DEPLOY_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", "from fer_deploy.cli import main; main(prog_name='fer-deploy')"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"plain,{wanted}" in done.stdout.splitlines(), done.stderr
