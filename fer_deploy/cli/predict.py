"""``fer-deploy predict``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import PATH, config_option, configuration, model_options
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    from fer_deploy.contract import Contract
    from fer_deploy.targets.prediction import Prediction


@click.command("predict")
@click.argument("image", type=PATH)
@config_option
@model_options
@click.option("--artifact", type=PATH, help="Artifact folder to run instead of the float model.")
@click.option(
    "--box",
    nargs=4,
    type=int,
    metavar="LEFT TOP RIGHT BOTTOM",
    help="Face box in pixels, widened by the contract's crop margin.  [default: the image is the crop]",
)
@click.option("--json", "as_json", is_flag=True, help="Print labels, logits and probabilities as JSON.")
def command(
    image: Path,
    config: Path | None,
    model: str | None,
    contract: Path | None,
    weights: Path | None,
    artifact: Path | None,
    box: tuple[int, int, int, int] | None,
    as_json: bool,
) -> None:
    """Classify one image with a model or an artifact."""
    from fer_deploy.errors import ConfigError
    from fer_deploy.measure.subject import artifact_subject, open_subject

    if artifact is not None and model is not None:
        raise ConfigError("--artifact and --model name two things to run; give one of them")
    if artifact is not None:
        subject = artifact_subject(artifact)
    else:
        named = configuration(config, model=model, contract=contract, weights=weights).model
        subject = open_subject(str(named.path), named.contract, named.weights)
    _print(subject.reference, subject.contract, subject.predict(image, box), as_json)


def _print(source: str, contract: Contract, answer: Prediction, as_json: bool) -> None:
    logits = dict(zip(contract.labels, answer.logits.tolist(), strict=True))
    order = sorted(answer.probabilities.items(), key=lambda one: one[1], reverse=True)
    if as_json:
        said = {
            "model": source,
            "contract_sha256": contract.sha256,
            "top": answer.label,
            "answered": answer.answered,
            "unsure": answer.unsure,
            "no_face": answer.no_face,
            "is_face": answer.is_face,
            "temperature": contract.temperature,
            "classes": [
                {"label": label, "probability": share, "logit": logits[label]} for label, share in order
            ],
        }
        print_json(json.dumps(said, indent=2))
        return
    if answer.no_face is not None and not answer.is_face:
        click.echo(f"no face: probability {answer.no_face:.1%}; were it one:")
    elif answer.unsure:
        click.echo(f"unsure: no label reaches {contract.unsure_below:.1%}")
    width = max(len(label) for label in contract.labels)
    for label, share in order:
        click.echo(f"{label:<{width}}  {share:6.1%}  {'█' * round(30 * share)}".rstrip())
