"""Logits of an artifact over many images, on this machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_deploy.quantize.graph import batches
from fer_deploy.targets.artifact import Artifact
from fer_deploy.targets.registry import get_target


def artifact_logits(artifact: Artifact, pixels: NDArray[np.uint8], threads: int = 1) -> NDArray[np.float32]:
    """Return logits float32 (N, K) of uint8 pixels (N, C, H, W), one image at a time as on a device.

    Raises:
        ArtifactError: the model file is damaged.
        TargetError: this machine cannot run the target.
    """
    session = get_target(artifact.info.target).open(artifact.file, threads)
    parts = [session.run(batch) for batch in batches(pixels, 1, f"evaluating {artifact.key}")]
    return np.concatenate(parts)
