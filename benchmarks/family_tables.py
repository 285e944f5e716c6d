"""Tables of docs/family.md and models/teachers/README.md, from what models/family/ holds; nothing is measured here.

python benchmarks/family_tables.py [--write]
"""

from __future__ import annotations

import json
import math
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parent))

from family_measure import PROBES
from generated import replace_section, table

from fer_deploy.data.corruptions import CORRUPTIONS, HELD_OUT
from fer_deploy.model import count_parameters
from fer_deploy.train.family.recipe import load_family_recipe
from fer_deploy.zoo.teachers import build_teacher

FOLDER = Path("models/family")
PAGES = {Path("docs/family.md"): ("run", "summary", "clean", "corrupted", "kinds", "no-face")} | {
    Path("models/teachers/README.md"): ("teachers",)
}
#: How the two trainings are called in the tables, by their name in figures.json.
_TRAININGS = {"family": "family", "clean": "clean views only"}
_ACCURACIES = ("ferplus", "ferplus_unleaked", "majority", "majority_unleaked", "fer2013", "fer2013_unleaked")
_MINUS = str.maketrans("-", "\N{MINUS SIGN}")


class Figures:
    """figures.json, run.json and train.log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run: dict[str, Any] = json.loads((folder / "run.json").read_text())
        self.log = (folder / "train.log").read_text()
        self.measured: dict[str, Any] = json.loads((folder / "figures.json").read_text())
        self.recipe = load_family_recipe(folder / "train.toml")
        self.architectures = self.recipe.students.architectures

    def of(self, training: str, architecture: str, score: str) -> list[float]:
        """Return a score of every seed, 0..1."""
        scores = self.measured[training]["scores"]
        return [found[score] for name, found in scores.items() if name.split("/")[0] == architecture]

    def corrupted(self, training: str, architecture: str, kind: str) -> float:
        """Return FER+ accuracy of seed 0, 0..1: "clean", "held out" (the mean over those kinds) or a kind."""
        if kind == "clean":
            return float(self.measured[training]["scores"][f"{architecture}/0"]["ferplus"])
        found = self.measured[training]["corrupted"][f"{architecture}/0"]
        return (
            statistics.fmean(found[name] for name in HELD_OUT) if kind == "held out" else float(found[kind])
        )


def _percent(values: Sequence[float]) -> str:
    """Return the mean in percent, and the standard deviation of a seed where there are several."""
    mean = f"{100 * statistics.fmean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * statistics.stdev(values):.2f}"


def _points(change: float) -> str:
    return f"{100 * change:+.1f}".translate(_MINUS)


def run(figures: Figures) -> str:
    """Return the run in one table."""
    steps = re.findall(r"([\d.]+) ms a step: (\d+) steps, ([\d.]+) epochs", figures.log)
    (captured,) = re.findall(r"\[ *([\d.]+)\] captured", figures.log)
    (began,) = re.findall(r"\[ *([\d.]+)\] \d+ students", figures.log)
    each, count, epochs = steps[-1]
    spec = figures.recipe.students
    rows = [
        (
            "command",
            "`fer-deploy train-family models/family/train.toml --device cuda "
            f"--at-most {figures.run['at_most']:.0f}`",
        ),
        ("on", f"one {figures.run['device']}, torch {figures.run['torch']}"),
        ("in all", f"{figures.run['seconds']:.0f} s"),
        ("teachers, their answers", f"{began} s"),
        ("students", f"{len(spec.architectures)} architectures from {len(spec.seeds)} seeds each"),
        ("first steps and capture", f"{float(captured) - float(began):.0f} s"),
        (
            "students' steps",
            f"{int(count):,} of {each} ms, all students and teachers in each: {epochs} epochs",
        ),
        ("recipe, sha256 of its values", f"`{figures.run['recipe_sha256'][:12]}`"),
    ]
    return table(("what", ""), rows).replace("--:", "---")


def clean(figures: Figures) -> str:
    """Return the accuracies on clean images."""
    images = figures.measured["images"]
    titles = {
        "ferplus": "FER+ all",
        "majority": "FER+ majority mode",
        "fer2013": "FER2013, 7 classes",
    }
    header = [
        f"{titles[score.removesuffix('_unleaked')]}{', without leaked' if score.endswith('_unleaked') else ''}"
        f" ({images[score]:,})"
        for score in _ACCURACIES
    ]
    rows = [
        (
            f"`{one}`",
            name,
            str(len(figures.of(training, one, "ferplus"))),
            *(_percent(figures.of(training, one, score)) for score in _ACCURACIES),
        )
        for one in figures.architectures
        for training, name in _TRAININGS.items()
    ]
    share = statistics.fmean(figures.of("family", figures.architectures[0], "ferplus"))
    error = 100 * math.sqrt(share * (1 - share) / images["ferplus"])
    return (
        table(("model", "trained on", "seeds", *header), rows)
        + "\n\n± is the standard deviation of a seed. The images themselves give FER+ all a standard error of "
        f"{error:.1f} points."
    )


def corrupted(figures: Figures) -> str:
    """Return the accuracies of seed 0 under the corruptions trained with and the mean over those held out."""
    probes = [
        f"{name.replace('_', ' ')}, {CORRUPTIONS[name].strengths[severity - 1]:g} {CORRUPTIONS[name].unit}"
        for name, severity in PROBES
    ]
    kinds = ("clean", *(name for name, _ in PROBES), "held out")
    rows = []
    for one in figures.architectures:
        pair = [[figures.corrupted(training, one, kind) for kind in kinds] for training in _TRAININGS]
        for name, found in zip(_TRAININGS.values(), pair, strict=True):
            rows.append((f"`{one}`", name, *(_percent([value]) for value in found)))
        rows.append((f"`{one}`", "gain, points", *(_points(a - b) for a, b in zip(*pair, strict=True))))
    return table(("model", "trained on", "clean", *probes, f"mean of {len(HELD_OUT)} kinds held out"), rows)


def kinds(figures: Figures) -> str:
    """Return seed 0's accuracy under each kind held out: clean views only, then the family."""
    rows = []
    for kind in HELD_OUT:
        spec = CORRUPTIONS[kind]
        title = (
            f"{kind.replace('_', ' ')} ({', '.join(f'{value:g}' for value in spec.strengths)} {spec.unit})"
        )
        pairs = [
            [f"{100 * figures.corrupted(training, one, kind):.1f}" for training in ("clean", "family")]
            for one in figures.architectures
        ]
        rows.append((title, *(" → ".join(pair) for pair in pairs)))
    return table(("kind held out", *(f"`{one}`" for one in figures.architectures)), rows)


def summary(figures: Figures) -> str:
    """Return what the tables come to, averaged over the architectures."""

    def gain(kind: str) -> str:
        pairs = [
            figures.corrupted("family", one, kind) - figures.corrupted("clean", one, kind)
            for one in figures.architectures
        ]
        return f"{_points(statistics.fmean(pairs))} ({_points(min(pairs))} to {_points(max(pairs))})"

    def change(score: str) -> str:
        pairs = [
            figures.measured["family"]["scores"][f"{one}/0"][score]
            - figures.measured["clean"]["scores"][f"{one}/0"][score]
            for one in figures.architectures
        ]
        return f"{_points(statistics.fmean(pairs))} ({_points(min(pairs))} to {_points(max(pairs))})"

    rows = [
        ("clean, FER+ all", change("ferplus")),
        ("clean, FER+ majority mode", change("majority")),
        ("clean, FER2013", change("fer2013")),
        *((f"{name.replace('_', ' ')}, FER+ all", gain(name)) for name, _ in PROBES),
        ("kinds held out, FER+ all", gain("held out")),
    ]
    worse = [
        kind
        for kind in HELD_OUT
        if statistics.fmean(
            figures.corrupted("family", one, kind) - figures.corrupted("clean", one, kind)
            for one in figures.architectures
        )
        < 0
    ]
    said = ", ".join(kind.replace("_", " ") for kind in worse) or "none"
    count = len(figures.architectures)
    return (
        table(("seed 0", f"family less clean views only, points: mean of {count} (least to most)"), rows)
        + f"\n\nKinds held out under which the family is worse on the mean of {count}: {said}."
    )


def no_face(figures: Figures) -> str:
    """Return the AUROC of the answer "no face"."""
    positive = figures.measured["images"]["no_face"]
    negative = figures.measured["images"]["fer2013"] - positive
    rows = []
    for one in figures.architectures:
        values = figures.of("family", one, "no_face_auroc")
        mean = statistics.fmean(values)
        rows.append(
            (
                f"`{one}`",
                f"{mean:.3f}",
                f"{min(values):.3f} to {max(values):.3f}",
                f"{_auroc_error(mean, positive, negative):.3f}",
            )
        )
    return (
        f"{positive} of PrivateTest's {positive + negative:,} images are voted unknown or not a face.\n\n"
        + table(("model", "AUROC, mean of the seeds", "seeds", "standard error of the images"), rows)
    )


def _auroc_error(area: float, positive: int, negative: int) -> float:
    """Return the standard error of an area under the ROC curve (Hanley and McNeil, Radiology 143, 1982)."""
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (positive - 1) * (first - area**2) + (negative - 1) * (second - area**2)
    return math.sqrt((area * (1 - area) + spread) / (positive * negative))


def teachers(figures: Figures) -> str:
    """Return the teachers and their ensemble."""
    epochs = [float(value) for value in re.findall(r"seed \d+: ([\d.]+) epochs", figures.log)]
    rows = []
    for plan, trained in zip(figures.recipe.teachers.members, epochs, strict=True):
        size = count_parameters(build_teacher(plan.name, 15, figures.recipe.input.channels))
        found = figures.run["teachers"][f"{plan.name}/{plan.seed}"]
        rows.append((f"`{plan.name}-{plan.seed}`", f"{size:,}", f"{trained}", *_public(found)))
    rows.append(("together", "–", "–", *_public(figures.run["ensemble"])))
    return table(("teacher", "parameters", "epochs", "FER+ all", "FER+ majority mode", "FER2013"), rows)


def _public(found: dict[str, float]) -> tuple[str, ...]:
    return tuple(_percent([found[score]]) for score in ("ferplus", "majority", "fer2013"))


_SECTIONS: dict[str, Callable[[Figures], str]] = {
    "run": run,
    "summary": summary,
    "clean": clean,
    "corrupted": corrupted,
    "kinds": kinds,
    "no-face": no_face,
    "teachers": teachers,
}


@click.command()
@click.option("--write", is_flag=True, help="Put the tables into the pages, too.")
def main(write: bool) -> None:
    """Print every table."""
    figures = Figures(FOLDER)
    for page, names in PAGES.items():
        for name in names:
            text = _SECTIONS[name](figures)
            click.echo(f"{page}, {name}:\n\n{text}\n")
            if write:
                replace_section(page, name, text)


if __name__ == "__main__":
    main()
