"""What the project keeps of a run of ``fer-deploy train-family``: the students, and how training went.

    python benchmarks/family_record.py runs/family --at-most 670

Writes models/family/students/ with SHA256SUMS, log.csv (PublicTest every ten epochs and at the end), run.json and
train.log.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import click
from safetensors.torch import load_file

from fer_deploy.files import sha256_of, write_atomic, write_json_atomic
from fer_deploy.train.family.recipe import FamilyRecipe
from fer_deploy.train.family.student_file import recipe_digest, write_students

_PATH = click.Path(path_type=Path)
_SCORES = ("ferplus", "majority", "fer2013", "no_face_auroc")
#: Parts of info.json that log.csv and the recipe hold.
_ELSEWHERE = ("recipe", "history", "students")


@click.command()
@click.argument("run", type=_PATH)
@click.option("--at-most", type=float, help="The time limit that the run was given, in seconds.")
@click.option("--output", type=_PATH, default=Path("models/family"), show_default=True)
def main(run: Path, at_most: float | None, output: Path) -> None:
    """Keep the students and the log of RUN, a folder that train-family wrote."""
    info: dict[str, Any] = json.loads((run / "info.json").read_text())
    recipe = FamilyRecipe.model_validate(info["recipe"])
    weights = {
        key: value
        for file in sorted(run.glob("students*.safetensors"))
        for key, value in load_file(file).items()
    }
    files = write_students(weights, recipe, info["epochs"], info["students"], output / "students")
    sums = "".join(f"{sha256_of(file)}  {file.name}\n" for file in sorted(files))
    write_atomic(output / "students/SHA256SUMS", sums)
    write_atomic(output / "log.csv", _log(info))
    rest = {key: value for key, value in info.items() if key not in _ELSEWHERE}
    write_json_atomic(
        output / "run.json", {"recipe_sha256": recipe_digest(recipe), "at_most": at_most} | rest
    )
    lines = (run / "train.log").read_text().splitlines()
    write_atomic(output / "train.log", "\n".join(line for line in lines if line.startswith("[")) + "\n")
    click.echo(f"{output}: {len(files)} students, {info['epochs']:.1f} epochs")


def _log(info: dict[str, Any]) -> str:
    """Return a CSV with one row per student and evaluation; no loss is known of the last one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("epoch", "student", "loss", *_SCORES))
    last = {"epoch": round(info["epochs"], 2), "loss": {}, "scores": info["students"]}
    for row in (*info["history"], last):
        for name, found in row["scores"].items():
            writer.writerow(
                (row["epoch"], name, row["loss"].get(name, ""), *(found[score] for score in _SCORES))
            )
    return text.getvalue()


if __name__ == "__main__":
    main()
