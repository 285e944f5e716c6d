"""What quantization costs on the whole test split, in every runtime: tables for docs/quantization.md.

    python benchmarks/int8_parity.py [--model models/fer_s] [--work-dir runs/qat] [--write docs/quantization.md]

PTQ and QAT with the defaults, lowered to ExecuTorch and ONNX and run there; the PT2E graph run eagerly in
torch is the yardstick that both targets are held against.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import conditions, replace_section, table

from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.measure.measurement import Measurement
from fer_deploy.measure.parity import parity_figures
from fer_deploy.measure.subject import artifact_logits
from fer_deploy.model import count_parameters, load_model
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quantize.qat import quantize_qat
from fer_deploy.quantize.recipe import choose_calibration
from fer_deploy.report.wording import describe
from fer_deploy.targets.artifact import write_artifact
from fer_deploy.targets.registry import get_target


@click.command()
@click.option("--model", "reference", default="models/fer_s", show_default=True)
@click.option("--work-dir", type=click.Path(path_type=Path), default=Path("runs/qat"), show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Markdown page to put the tables in.")
def main(reference: str, work_dir: Path, page: Path | None) -> None:
    """Print the parity tables, and write them into a page."""
    model = load_model(reference)
    labels, spec = model.contract.labels, model.contract.input
    training, validation, test = (
        open_dataset(DatasetSpec(), role, labels, spec) for role in ("train", "validation", "test")
    )
    calibration = choose_calibration(training, 512)
    trained = quantize_qat(model, calibration, training, validation, work_dir)
    graphs = {"w8a8-ptq": quantize_ptq(model, calibration), "w8a8-qat": trained.graph}
    plain = float_graph(model).logits(test.pixels, "float")
    parameters = count_parameters(model.network)
    rows, between = [], []
    for recipe, graph in graphs.items():
        logits = {"PT2E graph, eager": graph.logits(test.pixels, recipe)}
        sizes = {"PT2E graph, eager": "–"}
        with tempfile.TemporaryDirectory() as root:
            for name in ("executorch", "onnx"):
                target = get_target(name)
                artifact, _ = write_artifact(
                    target, graph, Path(root) / name, model.name, model.weights_sha256
                )
                logits[target.runtime] = artifact_logits(artifact, test.pixels)
                sizes[target.runtime] = f"{artifact.info.size_bytes / parameters:.2f}"
        for where, values in logits.items():
            figures = parity_figures(plain, values, test)
            rows.append(
                (
                    recipe,
                    where,
                    _short(figures.drop),
                    _short(figures.agreement),
                    str(len(figures.flips)),
                    sizes[where],
                )
            )
        between += _between(recipe, logits)
    header = ("recipe", "runs in", "accuracy drop", "agreement with float", "flips", "file bytes / parameter")
    text = table(header, rows)
    text += "\n\n" + table(("recipe", "between", "top-1 differs on", "largest logit difference"), between)
    text += (
        f"\n\n{test.name}, {len(test):,} images; intervals are 95 %. QAT: {trained.reason}. "
        + conditions(model.weights_sha256, "python benchmarks/int8_parity.py")
    )
    click.echo(text)
    if page is not None:
        replace_section(page, "int8 parity", text)


def _short(figure: Measurement) -> str:
    return describe(figure).removesuffix(" (measured)")


def _between(recipe: str, logits: dict[str, np.ndarray]) -> list[tuple[str, ...]]:
    names = list(logits)
    rows: list[tuple[str, ...]] = []
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            differ = int((logits[first].argmax(1) != logits[second].argmax(1)).sum())
            largest = float(np.abs(logits[first] - logits[second]).max())
            rows.append((recipe, f"{first} and {second}", f"{differ} images", f"{largest:.3g}"))
    return rows


if __name__ == "__main__":
    main()
