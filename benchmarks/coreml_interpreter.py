"""Throughput of the ML Program interpreter beside torch eager's, on the same images in the same run.

    python benchmarks/coreml_interpreter.py --model models/fer_s --data FOLDER_WITH_THE_NPZ

Prints one row per program: images per second of both, each at its best batch size, and their ratio. A
ratio is a figure of this machine and run; the interpreter's speed says nothing about Core ML's.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

#: Batch sizes tried for torch eager: it gets the one that suits this machine's caches best.
BATCHES = (16, 32, 64, 256)
#: Repeats; the two sides take turns, so that a change of load meets both.
REPEATS = 3


def images_per_second(run: Callable[[], object], images: int) -> float:
    began = time.perf_counter()
    run()
    return images / (time.perf_counter() - began)


@click.command()
@click.option("--model", "reference", default="models/fer_s", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=None, help="The npz or its folder.")
@click.option("--images", default=0, help="How many test images; 0 for all.")
@click.option("--threads", default=1, show_default=True)
def main(reference: str, data: Path | None, images: int, threads: int) -> None:
    import torch

    from fer_deploy.data.registry import DatasetSpec, open_dataset
    from fer_deploy.model import load_model
    from fer_deploy.quantize.graph import Graph
    from fer_deploy.quantize.ptq import float_graph, quantize_ptq
    from fer_deploy.quantize.recipe import FP16, W8, choose_calibration
    from fer_deploy.targets.coreml import CoreMLTarget

    torch.set_num_threads(threads)
    model = load_model(reference)
    spec = DatasetSpec(path=data)
    pixels = open_dataset(spec, "test", model.contract.labels, model.contract.input).pixels
    pixels = pixels[:images] if images else pixels
    training = open_dataset(spec, "train", model.contract.labels, model.contract.input)
    graphs = (
        float_graph(model),
        float_graph(model, FP16),
        float_graph(model, W8),
        quantize_ptq(model, choose_calibration(training, min(512, len(training)))),
    )
    floats = pixels.astype(np.float32)

    def eager(graph: Graph, batch: int) -> NDArray[np.float32]:
        with torch.inference_mode():
            parts = [
                graph.module(torch.from_numpy(floats[start : start + batch])).numpy()
                for start in range(0, len(floats), batch)
            ]
        return np.concatenate(parts)

    click.echo(f"{reference}, {len(pixels)} images, {threads} thread(s), median of {REPEATS} runs by turns")
    click.echo(f"{'recipe':10} {'torch eager':>14} {'interpreter':>14} {'ratio':>7}")
    for graph in graphs:
        with tempfile.TemporaryDirectory() as folder:
            target = CoreMLTarget()
            session = target.open(Path(folder) / target.lower(graph, Path(folder)).file, threads)
            few = len(floats[:512])
            best = max(BATCHES, key=lambda b: images_per_second(lambda: eager(graph, b), few))  # noqa: B023
            theirs, ours = [], []
            for _ in range(REPEATS):
                theirs.append(images_per_second(lambda: eager(graph, best), len(floats)))  # noqa: B023
                ours.append(images_per_second(lambda: session.run_batch(floats), len(floats)))  # noqa: B023
        first, second = statistics.median(theirs), statistics.median(ours)
        click.echo(f"{graph.recipe.name:10} {first:10.0f} /s {second:11.0f} /s {second / first:7.2f}")


if __name__ == "__main__":
    main()
