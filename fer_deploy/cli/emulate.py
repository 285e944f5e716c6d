"""``fer-deploy emulate``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fer_deploy.cli.options import PATH, data_options
from fer_deploy.cli.streams import print_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fer_deploy.devices.profile import DeviceProfile
    from fer_deploy.devices.transports.emulated import EmulatedTransport
    from fer_deploy.devices.transports.htp import HtpTransport
    from fer_deploy.measure.npu import NpuParity
    from fer_deploy.measure.processor_parity import ProcessorParity
    from fer_deploy.targets.artifact import Artifact

#: Pictures that are run where nobody says how many: an NPU takes most of a second for one.
_PICTURES, _NPU_PICTURES = 50, 8


@click.command("emulate")
@click.argument("artifacts", nargs=-1, required=True, type=PATH)
@click.option("--device", help="Device profile whose processor is emulated; see `fer-deploy devices`.")
@click.option(
    "--processor",
    type=click.Choice(["cpu", "npu"]),
    help="Which of the device's.  [default: npu for onnx artifacts where it has one of Qualcomm's; else cpu]",
)
@click.option(
    "--cpu", help="Processor model of qemu instead, e.g. cortex-a53, or Haswell with --arch x86_64."
)
@click.option("--arch", type=click.Choice(["aarch64", "x86_64"]), default="aarch64", show_default=True)
@click.option(
    "--images",
    type=click.IntRange(1, 10_000),
    help=f"Pictures to run.  [default: {_PICTURES}; on an NPU {_NPU_PICTURES}]",
)
@click.option(
    "--activations",
    type=click.Choice(["8", "16"]),
    default="8",
    show_default=True,
    help="On an NPU: their bits; 16 runs the same graph and ranges in finer steps.",
)
@click.option("--save", type=PATH, help="On an NPU: write the one artifact's ONNX file as it was run.")
@data_options
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.pass_context
def command(
    context: click.Context,
    artifacts: tuple[Path, ...],
    device: str | None,
    processor: str | None,
    cpu: str | None,
    arch: str,
    images: int | None,
    activations: str,
    save: Path | None,
    dataset: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Run ARTIFACTS (folders) on a processor of a device as it is emulated here, and compare with this machine.

    On a CPU (qemu) the device's own machine code runs: logits and instruction counts are its own, time is not and is
    not given. Ends with 3 when a logit differs by more than the artifact's golden.json allows.

    On Qualcomm's NPU its library for PCs runs the graph; equality with a phone is not established. What was answered is
    kept, and a later call with more --images goes on from there. Ends with 3 when a node is left to the CPU.

    Pictures are synthetic; with --dataset or --data they are test images.
    """
    from fer_deploy.devices.profile import resolve
    from fer_deploy.devices.transports.emulated import EmulatedTransport
    from fer_deploy.devices.transports.open import open_emulated
    from fer_deploy.progress import say
    from fer_deploy.targets.artifact import open_artifact

    if (device is None) == (cpu is None):
        raise click.UsageError("give --device or --cpu, one of both")
    if cpu is not None and processor == "npu":
        raise click.UsageError("--cpu names no NPU; name a phone with one by --device")
    opened = [open_artifact(folder) for folder in artifacts]
    transport: EmulatedTransport | HtpTransport
    if device is not None:
        resolved = resolve(device)
        if resolved.notice is not None:
            say(resolved.notice)
        npu = _npu_of(resolved.profile, processor, opened)
        transport = npu or open_emulated(resolved.profile)
    else:
        npu, transport = None, EmulatedTransport(str(cpu), "x86_64" if arch == "x86_64" else "aarch64")
    if npu is None and (save is not None or activations != "8"):
        raise click.UsageError("--activations and --save are for an NPU")
    if save is not None and len(opened) != 1:
        raise click.UsageError("--save takes one artifact")
    count = images or (_PICTURES if npu is None else _NPU_PICTURES)
    pictures = [_pictures(artifact, count, dataset, data) for artifact in opened]
    if npu is not None:
        context.exit(_on_npu(npu, opened, pictures, int(activations), save, as_json))
    assert isinstance(transport, EmulatedTransport)
    context.exit(_on_cpu(transport, opened, pictures, as_json))


def _npu_of(profile: DeviceProfile, processor: str | None, opened: Sequence[Artifact]) -> HtpTransport | None:
    """Return the device's NPU where it is meant, or None.

    Raises:
        DeviceError: it is asked for, and the profile names none that can be emulated.
    """
    from fer_deploy.devices.runners.job import runners_of
    from fer_deploy.devices.transports.htp import HtpTransport, hexagon_of
    from fer_deploy.errors import DeviceError
    from fer_deploy.targets.base import Runner

    npu = hexagon_of(profile)
    if processor == "npu" and npu is None:
        raise DeviceError(
            f"profile '{profile.name}' names no NPU of Qualcomm's that can be emulated; galaxy-s24's can"
        )
    if npu is None or processor == "cpu":
        return None
    if processor is None and any(Runner.HTP not in runners_of(artifact.info.target) for artifact in opened):
        return None
    return HtpTransport(npu)


def _pictures(artifact: Artifact, count: int, dataset: str | None, data: Path | None) -> NDArray[np.uint8]:
    """Return ``count`` pictures as the artifact reads them: test images, evenly spread, where a data set is named."""
    import numpy as np

    from fer_deploy.data.registry import at_hand, open_dataset
    from fer_deploy.measure.processor_parity import synthetic_pictures
    from fer_deploy.pipeline.evaluate import dataset_spec

    contract = artifact.info.contract
    if dataset is None and data is None:
        return synthetic_pictures(contract.input, count)
    faces = open_dataset(at_hand(dataset_spec(dataset, data)), "test", contract.labels, contract.input)
    rows = np.linspace(0, len(faces) - 1, min(count, len(faces))).round().astype(np.int64)
    return faces.pixels[rows]


def _on_cpu(
    transport: EmulatedTransport,
    opened: Sequence[Artifact],
    pictures: Sequence[NDArray[np.uint8]],
    as_json: bool,
) -> int:
    """Print how the artifacts answer on an emulated CPU; return the exit code."""
    from fer_deploy.measure.processor_parity import processor_parity
    from fer_deploy.progress import say, track

    found = [
        processor_parity(artifact, transport, pixels)
        for artifact, pixels in track(list(zip(opened, pictures, strict=True)), transport.device)
    ]
    if as_json:
        print_json(
            json.dumps([{**one.model_dump(mode="json"), "agrees": one.agrees} for one in found], indent=2)
        )
    else:
        _print(found)
    apart = [one.artifact for one in found if not one.agrees]
    if apart:
        say(f"on {transport.device}, logits differ by more than golden.json allows: {', '.join(apart)}")
    return 3 if apart else 0


def _on_npu(
    transport: HtpTransport,
    opened: Sequence[Artifact],
    pictures: Sequence[NDArray[np.uint8]],
    activations: int,
    save: Path | None,
    as_json: bool,
) -> int:
    """Print how the artifacts answer on an emulated NPU; return the exit code."""
    from fer_deploy.files import write_atomic
    from fer_deploy.measure.npu import npu_model, npu_parity
    from fer_deploy.progress import say

    found = [
        npu_parity(artifact, transport, pixels, activations)
        for artifact, pixels in zip(opened, pictures, strict=True)
    ]
    if save is not None:
        write_atomic(save, npu_model(opened[0], activations))
    if as_json:
        print_json(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
    else:
        _print_npu(found)
    left = [one for one in found if one.not_taken]
    for one in left:
        say(f"{transport.device} leaves nodes of {one.artifact} to the CPU: {', '.join(one.not_taken)}")
    return 3 if left else 0


def _print(found: list[ProcessorParity]) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.report.wording import amount, clean

    table = Table("artifact", title=Text(clean(f"{found[0].processor}, {found[0].images} images")))
    for heading in ("bit-identical", "same class", "largest difference", "allowed", "instructions"):
        table.add_column(heading, justify="right")
    for one in found:
        figures = map(amount, (one.identical, one.same_class, one.difference))
        style = None if one.agrees else "red"
        cells = (one.artifact, *figures, f"{one.allowed:.3g}", amount(one.instructions))
        table.add_row(*(Text(clean(cell)) for cell in cells), style=style)
    console = stdout_console()
    console.print(table)
    for one in found:
        if not one.instructions.known:
            console.print(Text(clean(f"{one.artifact}: instructions not counted: {one.instructions.reason}")))


def _print_npu(found: list[NpuParity]) -> None:
    from rich.table import Table
    from rich.text import Text

    from fer_deploy.cli.console import stdout_console
    from fer_deploy.devices.transports.htp import EMULATION
    from fer_deploy.report.wording import amount, clean

    console = stdout_console()
    title = f"{found[0].npu}, {found[0].activations}-bit, {found[0].images} images"
    table = Table("artifact", title=Text(clean(title)))
    for heading in ("bit-identical", "same class", "largest difference", "output steps"):
        table.add_column(heading, justify="right")
    for one in found:
        figures = map(amount, (one.identical, one.same_class, one.difference))
        steps = "–" if one.output_steps is None else f"{one.output_steps:.1f}"
        table.add_row(*(Text(clean(cell)) for cell in (one.artifact, *figures, steps)))
    console.print(table)
    console.print(Text(f"emulated ({EMULATION}); against this machine's ONNX Runtime"))
    for one in found:
        if not one.steps:
            continue
        layers = Table("step", "operators", title=Text(clean(f"{one.artifact}, step by step")))
        for heading in ("moved alone", "lean, steps", "moved together", "largest, steps"):
            layers.add_column(heading, justify="right")
        for step in one.steps:
            moved = (f"{step.alone:.2%}", f"{step.lean:+.4f}", f"{step.together:.1%}", str(step.largest))
            layers.add_row(Text(clean(step.name)), Text(clean(", ".join(step.operators))), *moved)
        console.print(layers)
