"""A run's int8 ONNX artifacts on the NPUs of its Snapdragon phones, as Qualcomm's library emulates them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.faces import Faces
from fer_deploy.devices.profile import Resolved
from fer_deploy.devices.runners.job import runners_of
from fer_deploy.devices.transports.htp import Hexagon, HtpTransport, hexagon_of
from fer_deploy.errors import DeviceError
from fer_deploy.frozen import Unknown
from fer_deploy.measure.figures import NpuFigures
from fer_deploy.measure.npu import closest_calls, missing_npu, npu_figures, npu_model, output_step
from fer_deploy.measure.parity import Logits
from fer_deploy.measure.subject import Inference
from fer_deploy.pipeline.compiled import Compiled
from fer_deploy.pipeline.config import ProfileSection
from fer_deploy.pipeline.export import Exported
from fer_deploy.pipeline.inputs import Inputs
from fer_deploy.progress import Stages, say
from fer_deploy.quantize.recipe import parse_recipe
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.base import Runner


def npus_of(devices: Sequence[Resolved]) -> tuple[Hexagon, ...]:
    """Return the NPUs of devices that can be emulated, each once."""
    found = (hexagon_of(one.profile) for one in devices)
    return tuple(dict.fromkeys(one for one in found if one is not None))


def on_npus(
    exported: Sequence[Exported],
    answers: Mapping[str, Inference | Unknown],
    reference: Logits,
    inputs: Inputs,
    asked: ProfileSection,
    stages: Stages,
    compiled: Compiled,
) -> dict[str, tuple[NpuFigures, ...]]:
    """Return the figures of every int8 ONNX artifact on each NPU, by artifact; none where no image is asked for.

    Args:
        exported: what was made.
        answers: this machine's, by artifact.
        reference: the float model's logits (N, K).
        inputs: the N test images, and the devices.
        asked: how many images are run, the float model's closest calls first, and with which activations.
        stages: take the time.
        compiled: the programs for NPUs that need one of their own.
    """
    npus = npus_of(inputs.devices) if asked.npu_images else ()
    if asked.npu_images and not npus and not compiled.wanted:
        say("npu_images is set, and no device of the run has an NPU that is emulated; galaxy-s24 has one")
    chosen = closest_calls(reference, asked.npu_images)
    found: dict[str, tuple[NpuFigures, ...]] = {}
    for made in exported:
        artifact, here = made.artifact, answers[made.artifact.key]
        if (
            Runner.HTP not in runners_of(artifact.info.target)
            or not parse_recipe(artifact.info.recipe).quantized
            or not npus
        ):
            continue
        figures = []
        for npu in npus:
            with stages.stage(f"{artifact.key} on {npu}"):
                figures.append(
                    _figures(artifact, npu, chosen, reference, here, inputs.test, asked.npu_activations)
                )
        found[artifact.key] = tuple(figures)
    if asked.npu_images:
        found |= compiled.on_npus(exported, answers, reference, chosen)
    return found


def _figures(
    artifact: Artifact,
    npu: Hexagon,
    chosen: NDArray[np.int64],
    reference: Logits,
    here: Inference | Unknown,
    test: Faces,
    activations: int,
) -> NpuFigures:
    transport = HtpTransport(npu)
    name = str(npu) if activations == 8 else f"{npu}, {activations}-bit activations"
    obstacle = transport.obstacle(artifact.info.target)
    if obstacle is None and isinstance(here, Unknown):
        obstacle = here.reason
    if obstacle is not None or isinstance(here, Unknown):
        return missing_npu(name, len(test), obstacle or "")
    model = npu_model(artifact, activations)
    try:
        left = transport.not_taken(model)
        if left:
            reason = f"{npu} leaves {len(left)} nodes to the CPU, {left[0]} first"
            return missing_npu(name, len(test), reason, left)
        given = transport.logits_of(artifact, model, test.pixels[chosen])
    except DeviceError as error:
        return missing_npu(name, len(test), str(error))
    return npu_figures(name, given, chosen, reference, here.logits, test, output_step(model))
