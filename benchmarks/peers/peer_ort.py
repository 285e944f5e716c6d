"""ONNX Runtime's own static quantization, uint8 activations and int8 weights, as its documentation shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def quantize(network: nn.Module, images: NDArray[np.float32], output: Path) -> None:
    """Quantize the exported network as it is."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        rows: Iterator[NDArray[np.float32]] = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            row = next(self.rows, None)
            return None if row is None else {"input": row[None]}

    exported = output.with_name("float.onnx")
    example = (torch.from_numpy(images[:1]),)
    torch.onnx.export(network, example, exported, input_names=["input"], dynamo=True, external_data=False)
    quantize_static(
        exported,
        output,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def quantize_preprocessed(network: nn.Module, images: NDArray[np.float32], output: Path) -> None:
    """Quantize what ONNX Runtime's pre-processing makes of the exported network: shapes known, BatchNorm folded."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        rows: Iterator[NDArray[np.float32]] = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            row = next(self.rows, None)
            return None if row is None else {"input": row[None]}

    exported, prepared = output.with_name("float.onnx"), output.with_name("prepared.onnx")
    example = (torch.from_numpy(images[:1]),)
    torch.onnx.export(network, example, exported, input_names=["input"], dynamo=True, external_data=False)
    quant_pre_process(exported, prepared)
    quantize_static(
        prepared,
        output,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
