"""Golden vectors: a few inputs and the logits an artifact must give, checked by apps at start-up.

The inputs are synthetic: no dataset picture may travel into an app.
"""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_deploy.contract import InputSpec
from fer_deploy.errors import TargetError
from fer_deploy.frozen import Frozen
from fer_deploy.quantize.graph import Graph, batches
from fer_deploy.targets.base import Session, Target

_BLOBS = 4
#: Allowed difference from a float artifact, in logits: fp32 engines differ in summation order only.
FLOAT_TOLERANCE = 1e-3
#: Rounding at every fp16 operation moved logits by at most 3e-2 in our experiments, whatever the summation.
FP16_TOLERANCE = 0.1


class GoldenVector(Frozen):
    """One input and its logits."""

    name: str
    pixels_base64: str
    """uint8 (C, H, W), row-major, base64."""
    logits: tuple[float, ...]


class Golden(Frozen):
    """``golden.json``: an app that gets other logits than these must say so and not classify."""

    contract_sha256: str
    artifact_sha256: str
    reference: str
    """What gave the logits."""
    max_abs_difference: float
    """Largest allowed difference of any logit."""
    vectors: tuple[GoldenVector, ...]


def golden_inputs(spec: InputSpec) -> dict[str, NDArray[np.uint8]]:
    """Return named synthetic inputs, uint8 (C, H, W): soft blobs, a gradient, a checkerboard.

    The same on every machine: they come from a seeded generator and integer arithmetic.
    """
    generator = np.random.default_rng(0)
    inputs: dict[str, NDArray[np.uint8]] = {}
    for index in range(_BLOBS):
        planes = []
        for _ in range(spec.channels):
            coarse = generator.integers(0, 256, size=(6, 6), dtype=np.uint8)
            image = Image.fromarray(coarse).resize((spec.width, spec.height), Image.Resampling.BICUBIC)
            planes.append(np.asarray(image, dtype=np.uint8))
        inputs[f"blobs-{index}"] = np.stack(planes)
    y, x = np.mgrid[0 : spec.height, 0 : spec.width]
    gradient = (x * 255 // (spec.width - 1)).astype(np.uint8)
    checkers = ((x // 8 + y // 8) % 2 * 255).astype(np.uint8)
    inputs["gradient"] = np.stack([gradient] * spec.channels)
    inputs["checkerboard"] = np.stack([checkers] * spec.channels)
    return inputs


def tolerance(graph: Graph, target: Target) -> float:
    """Return the allowed difference of any logit of a target's artifact from its golden value."""
    if graph.scales is not None:
        return graph.scales.activations[-1].scale * target.integer_steps
    return FP16_TOLERANCE if graph.recipe.precision in ("fp16", "w8") else FLOAT_TOLERANCE


def vectors(inputs: dict[str, NDArray[np.uint8]], logits: NDArray[np.float32]) -> tuple[GoldenVector, ...]:
    """Return the vectors of inputs and their logits (N, K), in the same order."""
    return tuple(
        GoldenVector(
            name=name,
            pixels_base64=base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode(),
            logits=tuple(float(value) for value in row),
        )
        for (name, pixels), row in zip(inputs.items(), logits, strict=True)
    )


def golden_of(target: Target, graph: Graph, file: Path, artifact_sha256: str) -> Golden:
    """Return the golden vectors of a model file that was just lowered from ``graph``, of that digest.

    Raises:
        TargetError: an answer is not finite.
    """
    inputs = golden_inputs(graph.contract.input)
    pixels = np.stack(list(inputs.values()))
    session = _session(target, file)
    if session is None:
        logits, reference = graph.logits(pixels, "golden vectors"), "torch, the graph that was lowered"
    else:
        logits = np.concatenate([session.run(batch) for batch in batches(pixels, 1, "golden vectors")])
        reference = f"{target.runtime}, {session.emulation or 'on this machine'}"
    if not np.isfinite(logits).all():
        raise TargetError(
            f"{target.name}-{graph.recipe.name} gives logits that are not finite on plain synthetic images; "
            "look for -inf paddings, overflow in fp16 and scales that were never observed"
        )
    return Golden(
        contract_sha256=graph.contract.sha256,
        artifact_sha256=artifact_sha256,
        reference=reference,
        max_abs_difference=tolerance(graph, target),
        vectors=vectors(inputs, logits),
    )


def _session(target: Target, file: Path) -> Session | None:
    """Return a session on a file that was just written, or None where this machine cannot run it."""
    if target.host_obstacle() is not None:
        return None
    try:
        return target.open(file, threads=1)
    except TargetError:  # an emulation that lacks an operation; golden.json says what took its place
        return None
