"""``fer-deploy train``."""

from __future__ import annotations

from pathlib import Path

import click

from fer_deploy.cli.options import PATH


@click.command("train")
@click.argument("recipe", type=PATH)
@click.option("--data", type=PATH, help="The dataset's file or folder.  [default: the recipe's]")
@click.option("--work-dir", type=PATH, help="Checkpoint and log.csv.  [default: runs/NAME of the output]")
@click.option("--output", type=PATH, help="Model folder to write.  [default: the recipe's folder]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or another torch device.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: torch's choice]")
def command(
    recipe: Path,
    data: Path | None,
    work_dir: Path | None,
    output: Path | None,
    device: str,
    threads: int | None,
) -> None:
    """Train a model from a recipe.

    RECIPE is a TOML file, e.g. studies/votes/fer_s/train.toml. A run that was stopped goes on from its checkpoint when
    the same command is given again. The epoch that is best on the validation split is written as a model folder.
    """
    from fer_deploy.files import require_writable_folder
    from fer_deploy.train.recipe import load_recipe

    loaded = load_recipe(recipe, data)
    folder = output or recipe.parent
    runs = work_dir or Path("runs") / folder.resolve().name
    require_writable_folder(folder)
    require_writable_folder(runs)
    from fer_deploy.train.run import train_model

    result = train_model(loaded, runs, folder, device, threads)
    click.echo(
        f"{folder}: epoch {result.best_epoch + 1} of {loaded.epochs} is the best on the validation split, "
        f"accuracy {result.best_accuracy:.2%}; plot {runs / 'log.csv'}"
    )
