"""`fer-deploy run` against the sum of what the tools' own calls cost: one machine, one run, as a ratio.

    python benchmarks/run_ratio.py [--model models/fer_s] [--write docs/speed.md]

The calls are those of the tools' tutorials, each in a fresh process, one after the other, with as many threads as torch
takes: torch.export, to_edge_transform_and_lower, torch.onnx.export, quantize_static, prepare_pt2e and convert_pt2e,
coremltools.convert, and one evaluation of each file by its own runtime. Whoever glues them together pays that sum, and
has no proofs, layers, timings or report. Imports count on both sides: they are paid on both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generated import conditions, replace_section, table

from fer_deploy.data.registry import DatasetSpec, open_dataset
from fer_deploy.model import load_model
from fer_deploy.quantize.ptq import float_graph
from fer_deploy.quantize.recipe import choose_calibration
from fer_deploy.quiet import quiet

Pixels = NDArray[np.uint8]


def executorch_float(network: Any, _: Pixels, folder: Path) -> None:
    _lowered(network, _example(), folder)


def executorch_int8(network: Any, calibration: Pixels, folder: Path) -> None:
    _lowered(_quantized(network, calibration), _example(), folder)


def onnx_float(network: Any, _: Pixels, folder: Path) -> None:
    import torch

    program = torch.onnx.export(network, _example(), dynamo=True)
    assert program is not None
    program.save(str(folder / "model.onnx"))


def onnx_int8(network: Any, calibration: Pixels, folder: Path) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    onnx_float(network, calibration, folder)
    (folder / "model.onnx").rename(folder / "float.onnx")
    name = _onnx_input(folder / "float.onnx")

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(calibration.astype(np.float32))

        def get_next(self) -> dict[str, Any] | None:
            image = next(self._left, None)
            return None if image is None else {name: image[None]}

    quantize_static(
        folder / "float.onnx",
        folder / "model.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )


def coreml_float(network: Any, _: Pixels, folder: Path) -> None:
    _converted(network, folder)


def coreml_int8(network: Any, calibration: Pixels, folder: Path) -> None:
    _converted(_quantized(network, calibration), folder)


def torch_evaluated(network: Any, test: Pixels, _: Path) -> None:
    import torch

    with torch.inference_mode():
        for at in range(0, len(test), 32):
            network(torch.from_numpy(test[at : at + 32].astype(np.float32)))


def executorch_evaluated(_: Any, test: Pixels, folder: Path) -> None:
    import torch
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(folder / "model.pte")
    method = program.load_method("forward")
    for image in test:
        method.execute([torch.from_numpy(image[None].astype(np.float32))])


def onnx_evaluated(_: Any, test: Pixels, folder: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    name = session.get_inputs()[0].name
    for image in test:
        session.run(None, {name: image[None].astype(np.float32)})


#: In the table's words; the two together are an artifact and its evaluation. Core ML has no runtime but on Apple's.
CALLS: dict[str, tuple[Callable[[Any, Pixels, Path], None], ...]] = {
    "the float network, evaluated": (torch_evaluated,),
    "ExecuTorch float": (executorch_float, executorch_evaluated),
    "ExecuTorch int8": (executorch_int8, executorch_evaluated),
    "ONNX float": (onnx_float, onnx_evaluated),
    "ONNX int8": (onnx_int8, onnx_evaluated),
    "Core ML float, not evaluated": (coreml_float,),
    "Core ML int8, not evaluated": (coreml_int8,),
}


def _example() -> tuple[Any, ...]:
    import torch

    return (torch.zeros(_SHAPE),)


def _quantized(network: Any, calibration: Pixels) -> Any:
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    # In batches: one image at a time, its observers take minutes.
    two = (torch.zeros(2, *_SHAPE[1:]),)
    exported = torch.export.export(network, two, dynamic_shapes=({0: torch.export.Dim("batch")},))
    prepared = prepare_pt2e(exported.module(), quantizer)
    with torch.no_grad():
        for at in range(0, len(calibration), 32):
            prepared(torch.from_numpy(calibration[at : at + 32].astype(np.float32)))
    return convert_pt2e(prepared)


def _lowered(network: Any, example: tuple[Any, ...], folder: Path) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    exported = torch.export.export(network, example)
    program = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    (folder / "model.pte").write_bytes(program.buffer)


def _converted(network: Any, folder: Path) -> None:
    import coremltools
    import torch

    exported = torch.export.export(network, _example()).run_decompositions({})
    converted = coremltools.convert(exported, minimum_deployment_target=coremltools.target.iOS17)
    converted.save(str(folder / "model.mlpackage"))


def _onnx_input(file: Path) -> str:
    import onnx

    return str(onnx.load(file).graph.input[0].name)


_SHAPE: tuple[int, ...] = ()


def one_call(name: str, reference: str) -> None:
    """Do one row's calls in this process."""
    global _SHAPE
    model = load_model(reference)
    spec, labels = model.contract.input, model.contract.labels
    _SHAPE = spec.shape
    training = open_dataset(DatasetSpec(), "train", labels, spec)
    calibration = choose_calibration(training, min(512, len(training))).faces.pixels
    test = open_dataset(DatasetSpec(), "test", labels, spec).pixels
    network = float_graph(model).module
    with tempfile.TemporaryDirectory() as folder, quiet():
        for call in CALLS[name]:
            call(network, test if call.__name__.endswith("evaluated") else calibration, Path(folder))


@click.command()
@click.option("--model", "reference", default="models/fer_s", show_default=True)
@click.option("--one", help="Do this row's calls and nothing else.")
@click.option("--write", "page", type=click.Path(path_type=Path), help="Markdown page to put the table in.")
def main(reference: str, one: str | None, page: Path | None) -> None:
    """Print what the tools' calls cost, what ``run`` costs, and the ratio; write it into a page."""
    if one is not None:
        one_call(one, reference)
        return
    busy = os.getloadavg()[0]
    costs = {name: _seconds(__file__, "--model", reference, "--one", name) for name in CALLS}
    with tempfile.TemporaryDirectory() as output:
        whole = _seconds("-m", "fer_deploy", "run", "--fresh", "--model", reference, "--output", output)
    total = sum(costs.values())
    rows = [(name, f"{seconds:.1f}") for name, seconds in costs.items()]
    rows += [("sum", f"{total:.1f}"), ("`fer-deploy run`", f"{whole:.1f}"), ("ratio", f"{whole / total:.2f}")]
    text = table(("", "seconds"), rows)
    text += f"\n\nOn {len(os.sched_getaffinity(0))} processors, load {busy:.1f} before. " + conditions(
        load_model(reference).weights_sha256, "python benchmarks/run_ratio.py"
    )
    click.echo(text)
    if page is not None:
        replace_section(page, "run ratio", text)


def _seconds(*arguments: str) -> float:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise click.ClickException(f"{' '.join(arguments)} failed: {done.stderr.strip()[-2000:]}")
    took = time.perf_counter() - began
    click.echo(f"{took:7.1f} s  {' '.join(arguments[-2:])}", err=True)
    return took


if __name__ == "__main__":
    main()
