"""What `keep` of a tuned student buys: PublicTest, clean and under three corruptions, along the line to its start.

python benchmarks/tuning.py [--write docs/family.md]

The student as it was trained, without its start's share, is worked out of the committed one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import replace_section, table

from fer_deploy.data.corruptions import CORRUPTIONS
from fer_deploy.data.fer2013_pairs import NO_FACE, load_pairs
from fer_deploy.measure.corrupted import corrupted_pixels
from fer_deploy.train.family.data import DeviceFaces, on_device
from fer_deploy.train.family.recipe import load_family_recipe
from fer_deploy.train.family.scores import answers, scores
from fer_deploy.train.family.student_file import read_student
from fer_deploy.zoo import build

RECIPE = Path("models/family/tune.toml")
STUDENTS = RECIPE.parent / "tuned/students"
PROBES = (("gaussian_noise", 2), ("gaussian_blur", 3), ("downscale", 2))
#: Every second image is corrupted: a third of the time, and a standard error of 0.9 points.
EVERY = 2


def on_the_line(
    tuned: dict[str, Tensor], start: dict[str, Tensor], kept: float, keep: float
) -> dict[str, Tensor]:
    """Return the weights with share ``keep`` of ``start``, of ``tuned``, which holds share ``kept`` of it."""
    moved = {}
    for name, value in tuned.items():
        if not value.is_floating_point():
            moved[name] = value
            continue
        rows = slice(NO_FACE) if name.startswith("classifier.") else slice(None)
        origin = start[name][rows] if value.ndim else start[name]
        mine = value.clone()
        trained = (mine[rows] - kept * origin) / (1 - kept)
        mine[rows] = keep * origin + (1 - keep) * trained
        moved[name] = mine
    return moved


def row(network: torch.nn.Module, faces: DeviceFaces, views: list[NDArray[np.uint8]]) -> tuple[str, ...]:
    """Return FER+ accuracies in percent: of all images, and of every second one under each corruption."""
    spec = load_family_recipe(RECIPE).input
    clean = scores(answers(network, faces.pixels.float(), spec), faces)
    cells = [f"{100 * clean['ferplus']:.1f} %"]
    valid, target = faces.valid[::EVERY, 0] > 0, faces.target[::EVERY]
    for view in views:
        answer = answers(network, torch.from_numpy(view).float(), spec)[:, : faces.distribution.shape[1]]
        cells.append(f"{100 * (answer.argmax(1) == target)[valid].float().mean().item():.1f} %")
    return tuple(cells)


@click.command()
@click.option("--write", type=click.Path(path_type=Path), help="Page with a section 'tuning' to replace.")
def main(write: Path | None) -> None:
    """Measure along the line, for every student of the recipe."""
    recipe = load_family_recipe(RECIPE)
    kept, begun = recipe.students.keep, recipe.students.start
    assert begun is not None
    faces = on_device(load_pairs("PublicTest"), torch.device("cpu"))
    views = [corrupted_pixels(faces.pixels.numpy()[::EVERY], kind, severity, 0) for kind, severity in PROBES]
    rows = []
    for file in sorted(STUDENTS.glob("*.safetensors")):
        info, tuned = read_student(file)
        _, start = read_student(begun / file.name)
        for keep in (1.0, kept, 0.0):
            network = build(info.architecture, NO_FACE + 1, info.input.channels)
            network.load_state_dict(on_the_line(tuned, start, kept, keep))
            told = {1.0: "1, the start", kept: f"{kept:g}, shipped", 0.0: "0, as trained"}[keep]
            rows.append((f"`{info.architecture}`", told, *row(network.eval(), faces, views)))
            click.echo(rows[-1])
    named = [f"{kind} {CORRUPTIONS[kind].strengths[severity - 1]:g}" for kind, severity in PROBES]
    made = table(("student", "keep", "clean", *named), rows)
    click.echo(made)
    if write is not None:
        replace_section(write, "tuning", made)


if __name__ == "__main__":
    main()
