"""Compression with loss. Pillow does it, image by image, on the CPU."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def jpeg(pixels: Tensor, strength: Tensor, generator: torch.Generator | None) -> Tensor:  # noqa: ARG001
    """Compress and decode; ``strength`` is the JPEG quality, 1 to 95, so lower is worse."""
    answer = []
    for image, quality in zip(pixels.round().clamp(0, 255).byte().cpu(), strength.tolist(), strict=True):
        array = image.permute(1, 2, 0).squeeze(2).numpy()
        stream = io.BytesIO()
        Image.fromarray(array).save(stream, format="JPEG", quality=round(quality))
        decoded = np.asarray(Image.open(stream)).reshape(array.shape + (1,) * (3 - array.ndim))
        answer.append(torch.from_numpy(decoded.copy()).permute(2, 0, 1))
    return torch.stack(answer).float().to(pixels.device)
