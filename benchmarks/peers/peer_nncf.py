"""NNCF on the ONNX file: with its defaults, and with what it has for accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def quantize(network: nn.Module, images: NDArray[np.float32], output: Path) -> None:
    """Quantize with the defaults; all images are seen, where 300 would be."""
    import nncf  # type: ignore[import-not-found,unused-ignore]
    import onnx

    exported = output.with_name("float.onnx")
    example = (torch.from_numpy(images[:1]),)
    torch.onnx.export(network, example, exported, input_names=["input"], dynamo=True, external_data=False)
    data = nncf.Dataset(images, lambda image: {"input": image[None]})
    onnx.save(nncf.quantize(onnx.load(exported), data, subset_size=len(images)), output)


def quantize_accurate(network: nn.Module, images: NDArray[np.float32], output: Path) -> None:
    """Quantize with asymmetric activations and the slower, more accurate bias correction."""
    import nncf  # type: ignore[import-not-found,unused-ignore]
    import onnx

    exported = output.with_name("float.onnx")
    example = (torch.from_numpy(images[:1]),)
    torch.onnx.export(network, example, exported, input_names=["input"], dynamo=True, external_data=False)
    data = nncf.Dataset(images, lambda image: {"input": image[None]})
    quantized = nncf.quantize(
        onnx.load(exported),
        data,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images),
        fast_bias_correction=False,
    )
    onnx.save(quantized, output)
