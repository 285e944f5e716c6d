"""``fer-deploy split-student``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import PATH

if TYPE_CHECKING:
    from fer_deploy.train.family.student_file import Head


@click.command("split-student")
@click.argument("student", type=PATH)
@click.argument("output", type=PATH)
@click.option(
    "--head",
    type=click.Choice(["ferplus", "fer2013", "fer2013_5"]),
    default="ferplus",
    show_default=True,
    help="FER+'s 8 labels, FER2013's 7, or those without fear and disgust.",
)
def command(student: Path, output: Path, head: Head) -> None:
    """Make a model of one label set of a family's student.

    STUDENT is a file of train-family, e.g. models/family/students/fer_s-0.safetensors; OUTPUT is the model folder to
    write, which every other command takes.
    """
    from fer_deploy.train.family.student_file import split_student

    contract = split_student(student, head, output)
    click.echo(f"{output}: {len(contract.labels)} labels of {contract.trained_on.dataset}")
