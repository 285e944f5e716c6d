"""Where an Ethos-U's output steps come from: one graph in TOSA, in exact arithmetic, in torch and in XNNPACK.

    FER_DATA=... python benchmarks/ethos_u_parity.py models/fer_s 300

prints the table of docs/ethos-u.md, "Where a step comes from". Needs fer-deploy[ethos-u] and tosa-tools.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from fer_deploy.data.registry import DatasetSpec, at_hand, open_dataset
from fer_deploy.model import load_model
from fer_deploy.pipeline.config import QuantizeSection
from fer_deploy.pipeline.export import Graphs, draw_calibration, plan_exports
from fer_deploy.quantize.graph import run_module
from fer_deploy.targets.executorch import ExecuTorchOptions, ExecuTorchTarget
from fer_deploy.targets.executorch.ethos_u_exact import exact_logits, steps_apart


def main(folder: str, count: int) -> None:
    """Print how many logits lie how many output steps apart."""
    model = load_model(folder)
    spec, section = at_hand(DatasetSpec()), QuantizeSection()
    calibration = draw_calibration(model, plan_exports(("executorch",), ("w8a8-ptq",)), spec, section)
    graph = Graphs(model, calibration, section, spec).of("w8a8-ptq")
    pixels = open_dataset(spec, "test", model.contract.labels, model.contract.input).pixels[:count]
    assert graph.scales is not None
    step = graph.scales.activations[-1].scale
    answers = {}
    for name, options in (
        ("TOSA", ExecuTorchOptions("ethos-u55-128")),
        ("XNNPACK", ExecuTorchOptions("xnnpack")),
    ):
        with tempfile.TemporaryDirectory() as scratch:
            lowered = ExecuTorchTarget(options).lower(graph, Path(scratch))
            session = ExecuTorchTarget().open(Path(scratch) / lowered.file, 1)
            answers[name] = session.run_batch(pixels.astype(np.float32))
    exact = exact_logits(graph, pixels)
    torch_32, torch_1 = graph.logits(pixels, "torch"), run_module(graph.module, pixels, 1)
    for name, first, second in (
        ("TOSA and exact arithmetic", answers["TOSA"], exact),
        ("TOSA and torch, 32 at once", answers["TOSA"], torch_32),
        ("torch, 1 and 32 at once", torch_1, torch_32),
        ("XNNPACK and torch, 32 at once", answers["XNNPACK"], torch_32),
    ):
        print(f"{name}: {steps_apart(first, second, step)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
