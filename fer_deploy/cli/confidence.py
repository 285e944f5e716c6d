"""``fer-deploy confidence``."""

from __future__ import annotations

from pathlib import Path

import click

from fer_deploy.cli.options import Number, data_options, foreign_model_options


@click.command("confidence")
@click.argument("model")
@foreign_model_options
@data_options
@click.option(
    "--coverage",
    type=Number(min=0, max=1, min_open=True),
    default=0.8,
    show_default=True,
    help="Share of the validation images that keep an answer; below it the answer is 'unsure'. 1: all.",
)
@click.option(
    "--keep-faces",
    type=Number(min=0, max=1, min_open=True),
    default=0.98,
    show_default=True,
    help="Share of the validation images that are taken for faces; above it the answer is 'no face'. 1: every picture.",
)
def command(
    model: str,
    contract: Path | None,
    weights: Path | None,
    dataset: str | None,
    data: Path | None,
    coverage: float,
    keep_faces: float,
) -> None:
    """Fit how sure a model is, and write it into its contract.

    MODEL is a zoo folder, such as models/fer_s, a .pt2, or package.module:factory. A temperature and the probability
    below which the answer is "unsure" are fitted on the validation split, and a rule by which the logits tell a picture
    without a face on the training split, with pictures made of its faces and those that annotators voted to be none.
    They are written to [contract.confidence] of model.toml, or of the file that --contract names; every artifact made
    then carries them, and the apps read them. Artifacts and calibration.json of the old contract have to be made again.
    """
    from fer_deploy.pipeline.confidence import fit_confidence
    from fer_deploy.pipeline.evaluate import dataset_spec
    from fer_deploy.report.wording import describe

    found = fit_confidence(
        model,
        dataset_spec(dataset, data),
        coverage if coverage < 1 else None,
        keep_faces if keep_faces < 1 else None,
        contract,
        weights,
    )
    sure = found.contract.confidence
    assert sure is not None
    click.echo(
        f"{found.file}: temperature {sure.temperature:g}, unsure below {sure.unsure_below:.1%}, on {sure.fitted_on}"
    )
    click.echo(
        f"calibration error {describe(found.before.ece)}, with the temperature {describe(found.after.ece)}"
    )
    if found.after.answered is not None and found.after.accuracy_of_answered is not None:
        click.echo(
            f"answered {describe(found.after.answered)}, accuracy of the answered "
            f"{describe(found.after.accuracy_of_answered)}"
        )
    if found.no_face is not None:
        told = found.no_face
        click.echo(
            f"no face: AUROC {describe(told.auroc_voted)} of images voted none, {describe(told.auroc_made)} of "
            f"pictures made of faces; {describe(told.faces_kept)} of the faces are taken for one"
        )
