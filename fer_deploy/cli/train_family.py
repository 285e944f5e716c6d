"""``fer-deploy train-family``."""

from __future__ import annotations

from pathlib import Path

import click

from fer_deploy.cli.options import PATH, Number


@click.command("train-family")
@click.argument("recipe", type=PATH)
@click.option("--data", type=PATH, help="The npz with FER2013 and FER+.  [default: FER_DATA's]")
@click.option("--output", type=PATH, default=Path("runs/family"), show_default=True, help="Folder to write.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or another torch device.")
@click.option(
    "--at-most",
    type=Number(min=0, min_open=True),
    help="Seconds for everything: the schedules become shorter.",
)
@click.option(
    "--only", multiple=True, metavar="ARCHITECTURE/SEED", help="Train this student of the recipe; repeatable."
)
@click.option(
    "--images", type=click.IntRange(min=8), help="Use so many images of each split only, for a trial."
)
def command(
    recipe: Path,
    data: Path | None,
    output: Path,
    device: str,
    at_most: float | None,
    only: tuple[str, ...],
    images: int | None,
) -> None:
    """Train the teachers from scratch, or read their answers, and then every student of a recipe at once.

    RECIPE is a TOML file, e.g. models/family/train.toml. Each network learns FER+ and FER2013 side by side, and the
    students also when a picture is no face. On a GPU every step is one CUDA graph.
    """
    from fer_deploy.files import require_writable_folder
    from fer_deploy.train.family.recipe import load_family_recipe

    loaded = load_family_recipe(recipe)
    require_writable_folder(output)
    from fer_deploy.data.fer2013_pairs import load_pairs
    from fer_deploy.train.family.run import train_family

    splits = [load_pairs(split, data) for split in ("Training", "PublicTest")]
    if images is not None:
        splits = [split.first(images) for split in splits]
    info = train_family(loaded, splits[0], splits[1], output, device, at_most, only)
    for name, found in info["students"].items():
        click.echo(f"{name}: PublicTest FER+ {found['ferplus']:.2%}, FER2013 {found['fer2013']:.2%}")
    click.echo(f"{output}: {info['epochs']:.1f} epochs, {info['seconds']:.0f} s")
