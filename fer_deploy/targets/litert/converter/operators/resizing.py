"""Maps in another size. What LiteRT has no operator for is a product with a constant matrix along each axis."""

from __future__ import annotations

import numpy as np
import torch
from torch.fx import Node

from fer_deploy.errors import TargetError
from fer_deploy.targets.litert.converter.lowering import Lowering, handles
from fer_deploy.targets.litert.converter.nodes import given
from fer_deploy.targets.litert.converter.operators.convolution import Weight
from fer_deploy.targets.litert.converter.operators.linear import layer
from fer_deploy.targets.litert.converter.operators.views import taken
from fer_deploy.targets.litert.converter.values import CHANNELS_LAST, Value


@handles("aten.upsample_nearest2d.vec", "aten.upsample_nearest2d.default", "aten._upsample_nearest_exact2d.vec",
         "aten._upsample_nearest_exact2d.default")  # fmt: skip
def nearest(low: Lowering, node: Node) -> Value:
    """The nearest element; which one it is, is read off what torch does to the numbers of rows and columns."""
    value = low.value(node.args[0])
    for axis in (2, 3):
        numbers = torch.arange(value.shape[axis], dtype=torch.float32)
        sides = [1, 1, 1, 1]
        sides[axis] = -1
        grid = numbers.view(sides).expand(1, 1, *value.shape[2:]).contiguous()
        assert callable(node.target)
        line = node.target(grid, *node.args[1:], **node.kwargs)[0, 0]
        chosen = (line[:, 0] if axis == 2 else line[0]).tolist()
        value = taken(low, value, axis, [int(one) for one in chosen])
    return value


@handles("aten.upsample_bilinear2d.vec", "aten.upsample_bilinear2d.default", "aten.upsample_bicubic2d.vec",
         "aten.upsample_bicubic2d.default", "aten._upsample_bilinear2d_aa.default",
         "aten._upsample_bicubic2d_aa.default")  # fmt: skip
def smooth(low: Lowering, node: Node) -> Value:
    """Bilinear resizing by its operator where both count positions alike; everything else by matrices."""
    arguments = given(node)
    value = low.cast(low.real(arguments[0]), "float32")
    shape = low.meta(node).shape
    ratio = [goal / side for goal, side in zip(shape[2:], value.shape[2:], strict=True)]
    scales = arguments[3] if len(arguments) > 3 and ".vec" in str(node.target) else None
    own = "upsample_bilinear2d." in str(node.target) and (scales is None or list(scales) == ratio)
    if not own or arguments[2]:
        return by_matrices(low, node, value)
    return low.emit(
        "RESIZE_BILINEAR", [low.held(value, CHANNELS_LAST), low.numbers(list(shape[2:]))], shape, "float32",
        "ResizeBilinearOptions", layout=CHANNELS_LAST, halfPixelCenters=True,
    )  # fmt: skip


def by_matrices(low: Lowering, node: Node, value: Value) -> Value:
    """Return what an operator makes of a map that treats rows and columns apart and adds up elements of each.

    Raises:
        TargetError: the operator does more than that.
    """
    assert callable(node.target)
    shape = tuple(low.meta(node).shape)
    if value.rank != 4:
        raise TargetError(f"{node.target} of {value.rank} axes is not written for LiteRT")
    matrices = []
    for axis in (2, 3):
        side = value.shape[axis]
        one = torch.eye(side).view(1, side, side, 1) if axis == 2 else torch.eye(side).view(1, side, 1, side)
        lines = node.target(
            one.expand(1, side, *value.shape[2:]).contiguous(),
            *node.args[1:],
            **node.kwargs,
        )[0]
        matrices.append((lines[:, :, 0] if axis == 2 else lines[:, 0, :]).T.contiguous())
    probe = torch.randn(1, 1, *value.shape[2:], generator=torch.Generator().manual_seed(0))
    wanted = node.target(probe, *node.args[1:], **node.kwargs)
    if not torch.allclose(matrices[0] @ probe @ matrices[1].T, wanted, atol=1e-4):
        raise TargetError(f"LiteRT has no operator for {node.target}")
    for axis, matrix in zip((2, 3), matrices, strict=True):
        last = [index for index in range(4) if index != axis] + [axis]
        weight = Weight(np.ascontiguousarray(matrix.numpy()), None)
        product = layer(low, low.permuted(value, last), weight, None, 0, None)
        value = low.permuted(product, [last.index(index) for index in range(4)])
    assert value.shape == shape
    return value
