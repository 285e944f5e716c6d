"""What each option of post-training quantization costs and gains: a table for docs/quantization.md.

    python benchmarks/ptq_ablation.py [--model models/fer_s] [--write docs/quantization.md]

Each option is changed alone, calibrated on the same 512 training images and evaluated, eagerly in torch, on the whole
test split.
"""

from __future__ import annotations

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
from fer_deploy.quantize.canonical import canonical
from fer_deploy.quantize.layers import layer_name, weighted_layers
from fer_deploy.quantize.prepare import calibration_evidence, prepare
from fer_deploy.quantize.ptq import convert, float_graph
from fer_deploy.quantize.recipe import OBSERVERS, W8A8_PTQ, PtqOptions, choose_calibration, parse_options
from fer_deploy.report.wording import describe

HEADER = ("", "drop, points", "agreement", "SQNR, dB", "RMS logit")


def variants(last: str) -> dict[str, PtqOptions]:
    """Return each option changed alone, and rounding and bias correction together; ``last`` is the last layer."""
    changed: dict[str, dict[str, object]] = {
        "as it is by default": {},
        "weights to the nearest": {"rounding": "nearest"},
        "biases corrected": {"bias_correction": True},
        "weights to the nearest, biases corrected": {"rounding": "nearest", "bias_correction": True},
        **{f"observer {name}": {"observer": name} for name in OBSERVERS if name != PtqOptions().observer},
        "clamps not fused": {"fused_clamps": False},
        "equalised": {"equalization": True},
        "pools with ranges of their own": {"own_pool_ranges": True},
        "the last layer in float": {"float_layers": (last,)},
    }
    return {name: parse_options(**options) for name, options in changed.items()}


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
    form = canonical(model, calibration_evidence(model, calibration))
    last = layer_name(weighted_layers(form.module)[-1])
    rows = []
    for name, options in variants(last).items():
        say(name)
        graph = convert(prepare(model, calibration, options, form), W8A8_PTQ, calibration)
        rows.append((name, *_figures(reference_logits, graph.logits(test.pixels, "int8"), test)))
    text = table(HEADER, rows) + (
        f"\n\n{test.name}, {len(test):,} images; intervals are 95 %. "
        + conditions(model.weights_sha256, "python benchmarks/ptq_ablation.py")
    )
    click.echo(text)
    if page is not None:
        replace_section(page, "ptq ablation", text)


def _figures(reference: NDArray[np.float32], logits: NDArray[np.float32], test: Faces) -> tuple[str, ...]:
    figures = parity_figures(reference, logits, test)
    return (
        *(
            describe(figure).removesuffix(" (measured)").removesuffix(" points").replace(" points ", " ")
            for figure in (figures.drop, figures.agreement)
        ),
        f"{figures.sqnr.value:.1f}",
        f"{figures.rms_logit_difference.value:.4f}",
    )


if __name__ == "__main__":
    main()
