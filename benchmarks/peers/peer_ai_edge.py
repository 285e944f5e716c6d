"""Google's ai-edge-quantizer on the file that Google's litert-torch makes of the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def quantize(network: nn.Module, images: NDArray[np.float32], output: Path) -> None:
    """Convert, calibrate, quantize by the recipe of int8 weights and int8 activations."""
    import litert_torch  # type: ignore[import-not-found,unused-ignore]
    from ai_edge_quantizer import quantizer, recipe  # type: ignore[import-not-found,unused-ignore]

    exported = output.with_name("float.tflite")
    litert_torch.convert(network, (torch.from_numpy(images[:1]),)).export(str(exported))
    work = quantizer.Quantizer(str(exported), recipe.static_wi8_ai8())
    seen = work.calibrate({"serving_default": [{"args_0": image[None]} for image in images]}, num_threads=1)
    work.quantize(seen).export_model(str(output), overwrite=True)
