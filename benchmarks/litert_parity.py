"""LiteRT beside ONNX Runtime: answers, bytes and latency of one model's artifacts, all from the same graphs.

    python benchmarks/litert_parity.py --model models/fer_s --data FOLDER_WITH_THE_NPZ

Both runtimes answer every test image, one at a time, one thread. Latency is taken by turns in one process: in each
group each runtime has so many calls, and its median of these stands for the group; what is printed is the median of
the groups' ratios with its interquartile range. A ratio is a figure of this machine and run.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

GROUPS, CALLS = 150, 8
TARGETS = ("onnx", "litert")


def call_ms(session: object, pixels: NDArray[np.float32]) -> float:
    from fer_deploy.targets.base import Session

    assert isinstance(session, Session)
    samples = []
    for _ in range(CALLS):
        began = time.perf_counter()
        session.run(pixels)
        samples.append(1000 * (time.perf_counter() - began))
    return float(np.median(samples))


@click.command()
@click.option("--model", "source", default="models/fer_s", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=None, help="The npz or its folder.")
@click.option("--images", default=0, help="How many test images; 0 for all.")
def main(source: str, data: Path | None, images: int) -> None:
    from fer_deploy.data.registry import DatasetSpec, open_dataset
    from fer_deploy.devices.profile_schema import processor_name
    from fer_deploy.model import load_model
    from fer_deploy.pipeline.export import Graphs, calibration_for
    from fer_deploy.quantize.proof import sqnr_of
    from fer_deploy.targets.artifact import tool_versions, write_artifact
    from fer_deploy.targets.registry import get_target

    model, spec = load_model(source), DatasetSpec(path=data)
    contract = model.contract
    test = open_dataset(spec, "test", contract.labels, contract.input)
    pixels, wanted = test.pixels[: images or None], test.targets[: images or None]
    training = open_dataset(spec, "train", contract.labels, contract.input)
    graphs = Graphs(model, calibration_for(training, 512, 0), data=spec)
    versions = tool_versions()
    click.echo(f"{source}, {len(pixels)} images of {test.name}, on {processor_name()}, one thread")
    click.echo(", ".join(f"{name} {versions[name]}" for name in ("torch", "onnxruntime", "ai-edge-litert")))
    floats = graphs.of("float").logits(pixels, "the float graph")
    with tempfile.TemporaryDirectory() as folder:
        for recipe in ("float", "w8a8-ptq"):
            graph = graphs.of(recipe)
            shared = graph.logits(pixels, f"the {recipe} graph")
            sessions, answers = {}, {}
            for name in TARGETS:
                target = get_target(name)
                artifact, taken = write_artifact(
                    target, graph, Path(folder) / f"{name}-{recipe}", "m", "0" * 64
                )
                sessions[name] = target.open(artifact.file, 1)
                answers[name] = np.concatenate(
                    [sessions[name].run(one[None].astype(np.float32)) for one in pixels]
                )
                click.echo(
                    f"{name}-{recipe}: {artifact.info.size_bytes:,} bytes, "
                    f"accuracy {float((answers[name].argmax(1) == wanted).mean()):.2%}, "
                    f"SQNR to float {sqnr_of(floats, answers[name]):.2f} dB, top-1 equal to the shared graph "
                    f"{float((answers[name].argmax(1) == shared.argmax(1)).mean()):.2%}, "
                    f"{taken.backend} takes {taken.delegated} of {taken.total} operators"
                )
            mine, theirs = answers["litert"], answers["onnx"]
            step = graph.scales.activations[-1].scale if graph.scales else 1.0
            equal = mine.argmax(1) == theirs.argmax(1)
            apart = np.abs(mine - theirs) / step
            click.echo(
                f"litert beside onnx, {recipe}: top-1 equal on {int(equal.sum())} of {len(equal)} "
                f"({equal.mean():.2%}), "
                f"largest difference {apart.max():.3g} {'steps' if graph.scales else ''}, logits equal "
                f"{float((apart < 0.5).mean() if graph.scales else (apart == 0).mean()):.2%}, "
                f"SQNR {sqnr_of(theirs, mine):.1f} dB"
            )
            image = pixels[:1].astype(np.float32)
            for session in sessions.values():
                call_ms(session, image)
            times = np.array([[call_ms(sessions[name], image) for name in TARGETS] for _ in range(GROUPS)])
            low, middle, high = np.percentile(times[:, 1] / times[:, 0], [25, 50, 75])
            click.echo(
                f"latency litert / onnx, {recipe}: {middle:.2f} ({low:.2f} to {high:.2f}); medians "
                f"{np.median(times[:, 1]):.3f} and {np.median(times[:, 0]):.3f} ms"
            )


if __name__ == "__main__":
    main()
