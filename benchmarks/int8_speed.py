"""int8 against float in both runtimes on this CPU: one thread, one process, interleaved, so that load hits all alike.

    python benchmarks/int8_speed.py [--model models/fer_s] [--write docs/quantization.md]

Rounds of a few inferences go round the four artifacts; each round gives one median per artifact and one
ratio per runtime. Printed: the median over the rounds, and the ratio with its order-statistic interval.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import conditions, replace_section, table

from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.measure.statistics import quantile_interval
from fer_deploy.model import load_model
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quantize.recipe import choose_calibration
from fer_deploy.targets.base import Session
from fer_deploy.targets.golden import golden_inputs
from fer_deploy.targets.registry import get_target

_PER_ROUND = 10


@click.command()
@click.option("--model", "reference", default="models/fer_s", show_default=True)
@click.option("--rounds", default=150, show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Markdown page to put the table in.")
def main(reference: str, rounds: int, page: Path | None) -> None:
    """Print how much faster int8 is, and write it into a page."""
    model = load_model(reference)
    training = open_dataset(DatasetSpec(), "train", model.contract.labels, model.contract.input)
    graphs = {
        "float": float_graph(model),
        "int8": quantize_ptq(model, choose_calibration(training, min(512, len(training)))),
    }
    inputs = [image[None].astype(np.float32) for image in golden_inputs(model.contract.input).values()]
    with tempfile.TemporaryDirectory() as root:
        sessions: dict[tuple[str, str], Session] = {}
        for runtime in ("executorch", "onnx"):
            target = get_target(runtime)
            for precision, graph in graphs.items():
                folder = Path(root) / f"{runtime}-{precision}"
                folder.mkdir()
                sessions[runtime, precision] = target.open(folder / target.lower(graph, folder).file, 1)
        samples: dict[tuple[str, str], list[float]] = {key: [] for key in sessions}
        for _ in range(rounds):
            for key, session in sessions.items():
                samples[key].append(_round(session, inputs))
    times = {key: np.array(values) for key, values in samples.items()}
    rows = []
    for runtime in ("executorch", "onnx"):
        plain, integer = times[runtime, "float"], times[runtime, "int8"]
        ratios = plain / integer
        interval = quantile_interval(ratios, 0.5)
        bounds = f" [{interval.low:.2f}, {interval.high:.2f}]" if interval is not None else ""
        rows.append(
            (
                get_target(runtime).runtime,
                f"{np.median(plain):.3f}",
                f"{np.median(integer):.3f}",
                f"{np.median(ratios):.2f}x{bounds}",
            )
        )
    text = table(("runtime, 1 thread", "float, ms", "int8, ms", "int8 is faster by"), rows)
    text += (
        f"\n\nMedian of {rounds} interleaved rounds of {_PER_ROUND} inferences; the ratio is taken within each "
        "round, its interval is 95 %, order statistics. "
        + conditions(model.weights_sha256, "python benchmarks/int8_speed.py")
    )
    click.echo(text)
    if page is not None:
        replace_section(page, "int8 speed", text)


def _round(session: Session, inputs: list[np.ndarray]) -> float:
    """Return the median time of a few inferences after one that warms up, ms."""
    session.run(inputs[0])
    samples = []
    for index in range(_PER_ROUND):
        pixels = inputs[index % len(inputs)]
        began = time.perf_counter()
        session.run(pixels)
        samples.append(time.perf_counter() - began)
    return 1000 * float(np.median(samples))


if __name__ == "__main__":
    main()
