"""Convolutions that are rarer: transposed ones, and those of volumes; in float."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import given
from fer_deploy.targets.litert.converter.operators.arithmetic import binary
from fer_deploy.targets.litert.converter.operators.convolution import (
    VALID,
    Weight,
    arguments,
    bias_of,
    in_float,
    weight_of,
)
from fer_deploy.targets.litert.converter.operators.views import padded, sliced
from fer_deploy.targets.litert.converter.values import CHANNELS_LAST, Value


@handles("aten.conv_transpose2d.input")
def transposed(low: Lowering, node: Node) -> Value:
    """Transposed convolutions, each group by itself, in float: cropped to what torch's padding leaves."""
    items = given(node, None, None, None, [1, 1], [0, 0], [0, 0], 1, [1, 1])
    source, item, bias, stride, padding, extra, groups, dilation = items
    stride, padding, extra, dilation = (
        list(one) * (2 if len(one) == 1 else 1) for one in (stride, padding, extra, dilation)
    )
    value = low.cast(low.real(source), "float32")
    array = low.real(item).constant
    if array is None:
        raise TargetError(
            "LiteRT's convolutions take weights that are constants, this one comes from the image"
        )
    kernel = array.detach().float().numpy()
    if dilation != [1, 1]:
        kernel = _spread(kernel, dilation)
    inputs, outputs = value.shape[1] // groups, kernel.shape[1]
    # all that the kernel reaches, then cropped
    whole = [
        (side - 1) * move + length
        for side, move, length in zip(value.shape[2:], stride, kernel.shape[2:], strict=True)
    ]
    parts = []
    for group in range(groups):
        part = sliced(low, value, 1, group * inputs, (group + 1) * inputs) if groups > 1 else value
        filters = np.ascontiguousarray(kernel[group * inputs : (group + 1) * inputs].transpose(1, 2, 3, 0))
        tensors = [
            low.numbers([value.shape[0], *whole, outputs]),
            low.writer.constant(filters, f"{low.name}.weight"),
            low.held(part, CHANNELS_LAST),
        ]
        parts.append(
            low.emit(
                "TRANSPOSE_CONV",
                tensors,
                (value.shape[0], outputs, *whole),
                "float32",
                "TransposeConvOptions",
                layout=CHANNELS_LAST,
                padding=VALID,
                strideH=stride[0],
                strideW=stride[1],
            )
        )
    result = parts[0] if groups == 1 else _joined(low, parts)
    if any(extra):
        result = padded(low, result, [(0, 0), (0, 0), *((0, one) for one in extra)])
    for axis, pad in enumerate(padding):
        if pad:
            result = sliced(low, result, axis + 2, pad, result.shape[axis + 2] - pad)
    if bias is not None:
        result = binary(
            low,
            "ADD",
            result,
            low.reshaped(low.real(bias), (1, outputs * groups, 1, 1)),
            result.shape,
        )
    return result


def _joined(low: Lowering, parts: Sequence[Value]) -> Value:
    shape = (
        parts[0].shape[0],
        sum(part.shape[1] for part in parts),
        *parts[0].shape[2:],
    )
    tensors = [low.held(part, CHANNELS_LAST) for part in parts]
    return low.emit(
        "CONCATENATION",
        tensors,
        shape,
        "float32",
        "ConcatenationOptions",
        layout=CHANNELS_LAST,
        axis=3,
    )


def _spread(kernel: NDArray[np.float32], dilation: Sequence[int]) -> NDArray[np.float32]:
    """Return a kernel with zeros between its rows and columns."""
    height, width = ((side - 1) * step + 1 for side, step in zip(kernel.shape[2:], dilation, strict=True))
    result = np.zeros((*kernel.shape[:2], height, width), np.float32)
    result[:, :, :: dilation[0], :: dilation[1]] = kernel
    return result


@handles("aten.conv3d.default")
def convolution_of_volumes(low: Lowering, node: Node) -> Value:
    """Convolutions of volumes, in float."""
    source, item, bias, stride, padding, dilation, groups = arguments(node, 3)
    value, weight = (
        low.cast(low.real(source), "float32"),
        in_float(weight_of(low, item)),
    )
    if groups != 1:
        raise TargetError("LiteRT's CONV_3D has no groups")
    value = padded(low, value, [(0, 0), (0, 0), *((side, side) for side in padding)])
    layout = (0, 2, 3, 4, 1)
    tensors = [
        low.held(value, layout),
        low.writer.constant(
            np.ascontiguousarray(weight.transpose(2, 3, 4, 1, 0)),
            f"{low.name}.weight",
            None,
        ),
        bias_of(low, bias, weight.shape[0], None, Weight(weight, None)),
    ]
    return low.emit(
        "CONV_3D", tensors, low.meta(node).shape, "float32", "Conv3DOptions", layout=layout, padding=VALID,
        strideD=stride[0], strideH=stride[1], strideW=stride[2],
        dilationDFactor=dilation[0], dilationHFactor=dilation[1], dilationWFactor=dilation[2],
    )  # fmt: skip
