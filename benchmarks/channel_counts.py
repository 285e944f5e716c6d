"""Does a variant of fer_s whose channel counts fit the kernels' tiles gain more from int8?

    python benchmarks/channel_counts.py [--rounds 100] [--write docs/quantization.md]

int8 kernels work on 16 or 32 output channels at once, fer_s has 24 and 40 in places. The variants round each stage's
channels to the nearest multiple of 16, and of 32. They are not trained (BatchNorm's statistics come from faces): a
layer takes as long whatever its weights are, and accuracy is not claimed. All files are timed by turns in one process,
one thread; a variant computes more or less than fer_s does, so times stand beside the multiplications.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import conditions, replace_section, table
from rounds import PER_ROUND, round_of

from fer_deploy.data.faces import Faces
from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.measure.statistics import quantile_interval
from fer_deploy.model import Model, load_model
from fer_deploy.quantize.canonical import canonical
from fer_deploy.quantize.costs import graph_costs
from fer_deploy.quantize.graph import Graph
from fer_deploy.quantize.prepare import calibration_evidence, prepare
from fer_deploy.quantize.ptq import convert, float_graph
from fer_deploy.quantize.recipe import W8A8_PTQ, CalibrationSet, PtqOptions, choose_calibration
from fer_deploy.targets.base import Session
from fer_deploy.targets.golden import golden_inputs
from fer_deploy.targets.onnx.target import OnnxOptions
from fer_deploy.targets.registry import get_target
from fer_deploy.zoo.layouts import LAYOUTS
from fer_deploy.zoo.mobilenet import Layout, MobileNetV2

#: Multiples of channels: fer_s's own, and those of the variants.
_MULTIPLES = (8, 16, 32)
#: Name of a column to target and its options.
_KINDS = {
    "ExecuTorch": ("executorch", None),
    "ONNX, uint8 weights": ("onnx", OnnxOptions(weights="uint8")),
    "ONNX, int8 weights": ("onnx", OnnxOptions(weights="int8")),
}
_BATCHES, _BATCH = 40, 64


def layout_of(multiple: int) -> Layout:
    """Return fer_s's layout with every stage's channels at the nearest multiple, the larger one of two."""
    layout = LAYOUTS["fer_s"]
    return dataclasses.replace(
        layout,
        stages=tuple(
            dataclasses.replace(stage, channels=int(stage.channels / multiple + 0.5) * multiple)
            for stage in layout.stages
        ),
    )


def untrained(multiple: int, like: Model, faces: Faces) -> Model:
    """Return the variant with random weights and the statistics that faces give them."""
    import torch

    torch.manual_seed(0)
    contract = like.contract
    network = MobileNetV2(layout_of(multiple), len(contract.labels), contract.input.channels, "relu6")
    mean, std = (
        torch.tensor(values).view(1, -1, 1, 1) for values in (contract.input.mean, contract.input.std)
    )
    with torch.no_grad():
        for at in range(0, _BATCHES * _BATCH, _BATCH):
            pixels = torch.from_numpy(faces.pixels[at : at + _BATCH].astype(np.float32))
            network((pixels - mean) / std)
    return Model(f"fer_s in {multiple}s", f"fer_s in {multiple}s", network.eval(), contract, "")


def integer_graph(model: Model, calibration: CalibrationSet) -> Graph:
    """Return the int8 graph, unasked whether it is still the network: what an untrained one says means nothing."""
    form = canonical(model, calibration_evidence(model, calibration))
    return convert(prepare(model, calibration, PtqOptions(rounding="nearest"), form), W8A8_PTQ, calibration)


@click.command()
@click.option("--rounds", default=100, show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Markdown page to put the table in.")
def main(rounds: int, page: Path | None) -> None:
    """Print float and int8 times of the variants, and write them into a page."""
    busy = os.getloadavg()[0]
    shipped = load_model("models/fer_s")
    faces = open_dataset(DatasetSpec(), "train", shipped.contract.labels, shipped.contract.input)
    calibration = choose_calibration(faces, min(256, len(faces)))
    images = [image[None].astype(np.float32) for image in golden_inputs(shipped.contract.input).values()]
    sessions: dict[tuple[int, str, str], Session] = {}
    macs: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as root:
        for multiple in _MULTIPLES:
            model = untrained(multiple, shipped, faces)
            graphs = {"float": float_graph(model), "int8": integer_graph(model, calibration)}
            for kind, (name, options) in _KINDS.items():
                target = get_target(name, options)
                for precision, graph in graphs.items():
                    folder = Path(root) / f"{multiple}-{kind}-{precision}"
                    folder.mkdir()
                    file = folder / target.lower(graph, folder).file
                    sessions[multiple, kind, precision] = target.open(file, 1)
            macs[multiple] = graph_costs(graphs["float"]).macs
        samples: dict[tuple[int, str, str], list[float]] = {key: [] for key in sessions}
        for _ in range(rounds):
            for key, session in sessions.items():
                samples[key].append(round_of(session, images))
    times = {key: np.array(values) for key, values in samples.items()}
    text = text_of(times, macs)
    text += f"\n\n{rounds} rounds of {PER_ROUND} inferences, load {busy:.1f} before: "
    text += conditions(None, "python benchmarks/channel_counts.py")
    click.echo(text)
    if page is not None:
        replace_section(page, "channel counts", text)


def text_of(times: dict[tuple[int, str, str], np.ndarray], macs: dict[int, int]) -> str:
    """Return the table: times, what int8 brings, and int8's time for a million multiplications beside fer_s's."""
    rows = []
    for kind in _KINDS:
        for multiple in _MULTIPLES:
            plain, integer = times[multiple, kind, "float"], times[multiple, kind, "int8"]
            own = times[_MULTIPLES[0], kind, "int8"] / macs[_MULTIPLES[0]]
            relative = integer / macs[multiple] / own
            rows.append(
                (
                    f"{kind}, channels in {multiple}s",
                    f"{macs[multiple] / 1e6:.1f} M",
                    f"{np.median(plain):.3f}",
                    f"{np.median(integer):.3f}",
                    with_interval(plain / integer),
                    with_interval(relative),
                )
            )
    heads = (
        "runtime",
        "multiplications",
        "float, ms",
        "int8, ms",
        "int8 is faster by",
        "int8 time per multiplication",
    )
    return table(heads, rows)


def with_interval(ratios: np.ndarray) -> str:
    """Return the median of ratios of the same round, with its order-statistic interval."""
    interval = quantile_interval(ratios, 0.5)
    bounds = "" if interval is None else f" [{interval.low:.2f}, {interval.high:.2f}]"
    return f"{np.median(ratios):.2f}x{bounds}"


if __name__ == "__main__":
    main()
