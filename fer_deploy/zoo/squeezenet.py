"""SqueezeNet 1.1 (Iandola et al., 2016) at a total stride of 8, with BatchNorm, for faces."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fer_deploy.zoo.layers import PooledClassifier, conv_bn, make_divisible

_STEM = 64
#: Squeeze and expand channels of each fire module of version 1.1 (github.com/forresti/SqueezeNet); None is a
#: max pooling. The one behind the stem is left out: a total stride of 8 for 16.
_ROWS = ((16, 64), (16, 64), None, (32, 128), (32, 128), None, (48, 192), (48, 192), (64, 256), (64, 256))


class _Fire(nn.Module):
    """1x1 squeeze, then 1x1 and 3x3 expand side by side.

    BatchNorm is not in the paper: without it the network does not train at the learning rate of the others.
    """

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(*conv_bn(inputs, squeezed, 1), nn.ReLU())
        self.narrow = nn.Sequential(*conv_bn(squeezed, expanded, 1), nn.ReLU())
        self.wide = nn.Sequential(*conv_bn(squeezed, expanded, 3), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, 2 x expanded, H, W)."""
        x = self.squeeze(x)
        return torch.cat((self.narrow(x), self.wide(x)), 1)


class SqueezeNet(PooledClassifier):
    """SqueezeNet, ``width`` times its channels.

    The paper classifies by a 1x1 convolution and pools its maps; pooling first gives the same logits.
    """

    def __init__(self, num_classes: int, channels: int, width: float) -> None:
        inputs = make_divisible(_STEM * width)
        layers: list[nn.Module] = [*conv_bn(channels, inputs, 3, stride=2), nn.ReLU()]
        for row in _ROWS:
            if row is None:
                # Without padding: a -inf border poisons the ranges of quantizers that see it.
                layers.append(nn.MaxPool2d(2))
                continue
            squeezed, expanded = (make_divisible(value * width) for value in row)
            layers.append(_Fire(inputs, squeezed, expanded))
            inputs = 2 * expanded
        super().__init__(nn.Sequential(*layers), inputs, num_classes)
