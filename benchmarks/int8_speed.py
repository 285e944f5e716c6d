"""int8 against float in both runtimes on this CPU: one thread, one process, interleaved, so that load hits all alike.

    python benchmarks/int8_speed.py [--model models/fer_s] [--write docs/quantization.md]

Rounds of a few inferences go round the four artifacts; each round gives one median per artifact and one
ratio per runtime. Printed: the median over the rounds, and the ratio with its order-statistic interval, beside what
other processors gave (int8_speed.json).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import conditions, cpu, replace_section, table
from rounds import PER_ROUND, round_of

from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.files import write_json_atomic
from fer_deploy.measure.statistics import quantile_interval
from fer_deploy.model import load_model
from fer_deploy.quantize.ptq import float_graph, quantize_ptq
from fer_deploy.quantize.recipe import choose_calibration
from fer_deploy.targets.base import Session
from fer_deploy.targets.golden import golden_inputs
from fer_deploy.targets.registry import get_target

#: What was measured on each processor so far, by this script.
_SEEN = Path(__file__).with_suffix(".json")


@click.command()
@click.option("--model", "reference", default="models/fer_s", show_default=True)
@click.option("--rounds", default=150, show_default=True)
@click.option("--write", "page", type=click.Path(path_type=Path), help="Markdown page to put the table in.")
def main(reference: str, rounds: int, page: Path | None) -> None:
    """Print how much faster int8 is, and write it into a page."""
    busy = os.getloadavg()[0]
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
                samples[key].append(round_of(session, inputs))
    times = {key: np.array(values) for key, values in samples.items()}
    by_processor = {one["processor"]: one for one in json.loads(_SEEN.read_text(encoding="utf-8"))}
    by_processor[cpu()] = {
        "processor": cpu(),
        "load before": round(busy, 2),
        "made": conditions(model.weights_sha256, "python benchmarks/int8_speed.py"),
        "rounds": rounds,
        "runtimes": {
            get_target(runtime).runtime: _compared(times, runtime) for runtime in ("executorch", "onnx")
        },
    }
    seen = list(by_processor.values())
    text = text_of(seen)
    click.echo(text)
    if page is not None:
        write_json_atomic(_SEEN, seen)
        replace_section(page, "int8 speed", text)


def _compared(times: dict[tuple[str, str], np.ndarray], runtime: str) -> dict[str, float | None]:
    plain, integer = times[runtime, "float"], times[runtime, "int8"]
    interval = quantile_interval(plain / integer, 0.5)
    return {
        "float_ms": round(float(np.median(plain)), 4),
        "int8_ms": round(float(np.median(integer)), 4),
        "ratio": round(float(np.median(plain / integer)), 3),
        "low": None if interval is None else round(interval.low, 3),
        "high": None if interval is None else round(interval.high, 3),
    }


def text_of(seen: list[dict[str, Any]]) -> str:
    """Return the table of all processors, and the range of what int8 brings over them."""
    rows, ratios = [], []
    for one in seen:
        for runtime, found in one["runtimes"].items():
            bounds = "" if found["low"] is None else f" [{found['low']:.2f}, {found['high']:.2f}]"
            ratios.append(found["ratio"])
            rows.append(
                (
                    f"{one['processor']}, {runtime}",
                    f"{found['float_ms']:.3f}",
                    f"{found['int8_ms']:.3f}",
                    f"{found['ratio']:.2f}x{bounds}",
                )
            )
    text = table(("processor and runtime, 1 thread", "float, ms", "int8, ms", "int8 is faster by"), rows)
    text += (
        f"\n\n**{min(ratios):.2f}x to {max(ratios):.2f}x over the processors seen.** Medians of interleaved rounds of "
        f"{PER_ROUND} inferences; the ratio is taken within each round, its interval is 95 %, order statistics."
    )
    for one in seen:
        busy = "not noted" if one["load before"] is None else f"{one['load before']:.1f}"
        text += f"\n- {one['rounds']} rounds, load {busy} before: {one['made']}"
    return text


if __name__ == "__main__":
    main()
