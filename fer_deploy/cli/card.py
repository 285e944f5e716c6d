"""``fer-deploy card``."""

from __future__ import annotations

from pathlib import Path

import click

from fer_deploy.cli.options import PATH, data_options


@click.command("card")
@click.argument("model", type=PATH)
@data_options
def command(model: Path, dataset: str | None, data: Path | None) -> None:
    """Measure a zoo model and write its card.md.

    MODEL is a folder with model.toml. Its accuracy on the validation and the test split goes into MODEL/card.md,
    together with that of its int8 artifacts, its recipe, known failures, and what it must not be used for.
    """
    from fer_deploy.experiments.card import measure_card, render_card
    from fer_deploy.files import write_atomic
    from fer_deploy.pipeline.evaluate import dataset_spec
    from fer_deploy.report.wording import describe

    card = measure_card(model, dataset_spec(dataset, data))
    write_atomic(model / "card.md", render_card(card))
    for split in (card.validation, card.test):
        click.echo(f"{split.dataset.name}: accuracy {describe(split.figures.accuracy)}")
    for one in card.int8:
        click.echo(
            f"{one.target} int8: accuracy {describe(one.accuracy.accuracy)}, drop {describe(one.parity.drop)}"
        )
    click.echo(f"card: {model / 'card.md'}")
