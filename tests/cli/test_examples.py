"""Help that teaches: every command has examples, and each is read by the command as it stands."""

from __future__ import annotations

import shlex

import click
import pytest
from click.testing import CliRunner

from fer_deploy.cli import COMMANDS, main
from fer_deploy.cli.examples import EXAMPLES


def test_every_command_has_examples() -> None:
    assert list(EXAMPLES) == list(COMMANDS)


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, examples in EXAMPLES.items() for line, _ in examples]
)
def test_an_example_is_what_the_command_reads(name: str, line: str) -> None:
    first, *arguments = shlex.split(line)
    assert first == name
    command = main.get_command(click.Context(main), name)
    assert command is not None
    context = click.Context(main, info_name="fer-deploy")
    if isinstance(command, click.Group):
        inner = command.get_command(context, arguments[0])
        assert inner is not None
        command, arguments = inner, arguments[1:]
    with command.make_context(name, arguments, parent=context) as made:
        assert made.params


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_help_shows_them_as_they_are(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"]).output
    for line, what in EXAMPLES[name]:
        assert f"  fer-deploy {line}\n" in shown
        assert what in shown
