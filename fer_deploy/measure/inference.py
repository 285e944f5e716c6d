"""Logits of an artifact over many images, on this machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_deploy.quantize.graph import batches
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.registry import get_target

#: Images given to a session at a time: enough for one that has batches, few enough for a smooth bar.
_BATCH = 64


@dataclass(frozen=True)
class Inference:
    """Logits float32 (N, K), and None or how they were emulated instead of run by the target's own runtime."""

    logits: NDArray[np.float32]
    emulation: str | None


def infer(artifact: Artifact, pixels: NDArray[np.uint8], threads: int = 1) -> Inference:
    """Return what an artifact answers to uint8 pixels (N, C, H, W), each image on its own as on a device.

    Raises:
        ArtifactError: the model file is damaged.
        TargetError: this machine can neither run nor emulate the artifact.
    """
    session = get_target(artifact.info.target).open(artifact.file, threads)
    parts = [session.run_batch(batch) for batch in batches(pixels, _BATCH, f"evaluating {artifact.key}")]
    return Inference(np.concatenate(parts), session.emulation)


def artifact_logits(artifact: Artifact, pixels: NDArray[np.uint8], threads: int = 1) -> NDArray[np.float32]:
    """Return the logits of :func:`infer` alone, float32 (N, K)."""
    return infer(artifact, pixels, threads).logits
