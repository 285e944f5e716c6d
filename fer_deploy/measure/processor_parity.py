"""Whether an artifact answers on another processor as it does here, and what it costs there: by emulation, no time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.devices.runners.job import golden_tolerance
from fer_deploy.devices.transports.emulated import EmulatedTransport
from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.errors import DeviceError
from fer_deploy.frozen import Frozen
from fer_deploy.measure.measurement import Measurement, Unit, as_emulated, measured, not_measured
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.golden import golden_inputs

_SIDE = 6  # of the coarse random picture that is enlarged, as in golden_inputs


class ProcessorParity(Frozen):
    """An artifact's logits on an emulated processor against those of this machine."""

    artifact: str
    processor: str
    images: int
    difference: Measurement
    """Largest difference of a logit."""
    allowed: float
    """Largest difference that golden.json allows."""
    identical: Measurement
    """Share of the images whose logits are the same to the last bit."""
    same_class: Measurement
    """Share of the images with the same most probable class."""
    instructions: Measurement
    """Of one inference with one thread, on that processor."""

    @property
    def agrees(self) -> bool:
        """Whether no logit differs by more than golden.json allows."""
        return self.difference.value is not None and self.difference.value <= self.allowed


def synthetic_pictures(spec: InputSpec, count: int) -> NDArray[np.uint8]:
    """Return ``count`` pictures, uint8 (N, C, H, W): the golden inputs, then smooth random ones; always the same."""
    pictures = list(golden_inputs(spec).values())[:count]
    generator = np.random.default_rng(1)
    while len(pictures) < count:
        coarse = generator.integers(0, 256, (spec.channels, _SIDE, _SIDE), dtype=np.uint8)
        size = (spec.width, spec.height)
        planes = [Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC) for plane in coarse]
        pictures.append(np.stack([np.asarray(plane, dtype=np.uint8) for plane in planes]))
    return np.stack(pictures)


def processor_parity(
    artifact: Artifact, transport: EmulatedTransport, pixels: NDArray[np.uint8]
) -> ProcessorParity:
    """Return how an artifact's logits of uint8 pixels (N, C, H, W) differ between an emulated processor and this one.

    Raises:
        DeviceError: something is missing to emulate, the artifact's golden.json cannot be read, or a run failed.
    """
    obstacle = transport.obstacle(artifact.info.target)
    if obstacle:
        raise DeviceError(obstacle)
    there = transport.logits(artifact, pixels)
    here = HostTransport().logits(artifact, pixels)
    conditions = {"images": len(pixels), "against": "this machine"}
    found = ProcessorParity(
        artifact=artifact.key,
        processor=transport.device,
        images=len(pixels),
        difference=measured(float(np.abs(there - here).max()), Unit.LOGITS, conditions=conditions),
        allowed=golden_tolerance(artifact),
        identical=measured(float((there == here).all(axis=1).mean()), Unit.FRACTION, conditions=conditions),
        same_class=measured(
            float((there.argmax(axis=1) == here.argmax(axis=1)).mean()), Unit.FRACTION, conditions=conditions
        ),
        instructions=_instructions(artifact, transport),
    )
    return as_emulated(found, f"qemu-user, {transport.device}")


def _instructions(artifact: Artifact, transport: EmulatedTransport) -> Measurement:
    try:
        return measured(transport.instructions(artifact), Unit.COUNT, conditions={"threads": 1, "batch": 1})
    except DeviceError as error:
        return not_measured(Unit.COUNT, str(error))
