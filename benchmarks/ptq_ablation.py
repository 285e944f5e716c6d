"""What each option of post-training quantization costs and gains: a table for docs/quantization.md.

    python benchmarks/ptq_ablation.py [--model models/fer_s] [--write docs/quantization.md]

Every combination of observer, fused clamps, cross-layer equalisation and bias correction is calibrated on
the same 512 training images and evaluated, eagerly in torch, on the whole test split.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import conditions, replace_section, table

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.measure.parity import parity_figures
from fer_deploy.model import load_model
from fer_deploy.progress import say
from fer_deploy.quantize.prepare import prepare
from fer_deploy.quantize.ptq import convert, float_graph
from fer_deploy.quantize.recipe import OBSERVERS, W8A8_PTQ, PtqOptions, choose_calibration
from fer_deploy.report.wording import describe

HEADER = (
    "observer",
    "fused clamp",
    "equalised",
    "bias corrected",
    "drop, points",
    "agreement",
    "SQNR, dB",
    "RMS logit",
)


@click.command()
@click.option("--model", "reference", default="models/fer_s", show_default=True)
@click.option("--calibration-images", default=512, show_default=True)
@click.option("--images", type=int, help="Evaluate on the first N images only.")
@click.option("--write", "page", type=click.Path(path_type=Path), help="Markdown page to put the table in.")
def main(reference: str, calibration_images: int, images: int | None, page: Path | None) -> None:
    """Print the ablation table, and write it into a page."""
    model = load_model(reference)
    labels, spec = model.contract.labels, model.contract.input
    calibration = choose_calibration(open_dataset(DatasetSpec(), "train", labels, spec), calibration_images)
    test = open_dataset(DatasetSpec(), "test", labels, spec)
    if images:
        test = test.subset(np.arange(images))
    reference_logits = float_graph(model).logits(test.pixels, "float")
    rows = []
    for observer, fused, equalized in itertools.product(OBSERVERS, (True, False), (False, True)):
        options = PtqOptions(observer=observer, fused_clamps=fused, equalization=equalized)
        prepared = prepare(model, calibration, options)
        for corrected in (False, True):
            chosen = options.model_copy(update={"bias_correction": corrected})
            say(f"{observer}, fused {fused}, equalised {equalized}, corrected {corrected}")
            graph = convert(dataclasses.replace(prepared, options=chosen), W8A8_PTQ, calibration)
            rows.append(_row(chosen, reference_logits, graph.logits(test.pixels, "int8"), test))
    text = table(HEADER, rows) + (
        f"\n\n{test.name}, {len(test):,} images; intervals are 95 %. "
        + conditions(model.weights_sha256, "python benchmarks/ptq_ablation.py")
    )
    click.echo(text)
    if page is not None:
        replace_section(page, "ptq ablation", text)


def _row(
    options: PtqOptions, reference: NDArray[np.float32], logits: NDArray[np.float32], test: Faces
) -> tuple[str, ...]:
    figures = parity_figures(reference, logits, test)
    flags = (options.fused_clamps, options.equalization, options.bias_correction)
    return (
        options.observer,
        *("yes" if flag else "no" for flag in flags),
        *(
            describe(figure).removesuffix(" (measured)").removesuffix(" points").replace(" points ", " ")
            for figure in (figures.drop, figures.agreement)
        ),
        f"{figures.sqnr.value:.1f}",
        f"{figures.rms_logit_difference.value:.4f}",
    )


if __name__ == "__main__":
    main()
