"""What right and wrong contracts show at the first BatchNorm: where the limits of quantize/fit.py come from.

python benchmarks/preflight_margins.py [--model models/fer_s] [--write docs/quantization.md]
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import conditions, replace_section, table

from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.errors import ModelError
from fer_deploy.model import load_model
from fer_deploy.quantize.fit import MAX_RATIO, MAX_SHIFT, statistics_fit
from fer_deploy.quantize.recipe import choose_calibration

#: Mistakes that people make: pixels in 0..1, in -1..1, not normalised, mean forgotten.
_WRONG = {
    "pixels / 255": (0.0, 255.0),
    "-1..1": (127.5, 127.5),
    "raw pixels": (0.0, 1.0),
    "no mean": (0.0, 64.0),
}


@click.command()
@click.option("--model", "reference", default="models/fer_s", show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Markdown page to put the table in.")
def main(reference: str, page: Path | None) -> None:
    """Print the margins, and write them into a page."""
    model = load_model(reference)
    contract = model.contract
    training = open_dataset(DatasetSpec(), "train", contract.labels, contract.input)
    faces = choose_calibration(training, 512).faces
    rows = []
    right = {"the model's own": (contract.input.mean[0], contract.input.std[0])}
    for name, (mean, std) in (right | _WRONG).items():
        channels = contract.input.channels
        spec = contract.input.model_copy(update={"mean": (mean,) * channels, "std": (std,) * channels})
        changed = dataclasses.replace(model, contract=contract.model_copy(update={"input": spec}))
        fit = statistics_fit(changed, faces)
        if fit is None:
            raise ModelError(f"{reference} has no BatchNorm to compare with")
        caught = "yes" if fit.shift > MAX_SHIFT or fit.ratio > MAX_RATIO else "no"
        rows.append((name, f"{fit.shift:.2f}", f"{fit.ratio:.2f}", caught))
    text = table(
        ("mean and std", f"shift (limit {MAX_SHIFT})", f"ratio (limit {MAX_RATIO})", "refused"), rows
    )
    text += "\n\n" + conditions(model.weights_sha256, "python benchmarks/preflight_margins.py")
    click.echo(text)
    if page is not None:
        replace_section(page, "preflight margins", text)


if __name__ == "__main__":
    main()
