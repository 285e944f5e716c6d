"""ShuffleNetV2 (Ma et al., ECCV 2018) at a total stride of 8, for faces.

The channel shuffle is written as slices and concatenations of two streams, so that no target has to transpose
five dimensions: a unit's two halves are each cut in two and joined crosswise. Which half of the channels passes
a unit and which is computed alternates as in the paper; the order within a half is another, fixed one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fer_deploy.zoo.layers import PooledClassifier, conv_bn, make_divisible

_STEM, _LAST = 24, 1024
#: Table 5 of the paper at 1x: channels, units, stride of the first unit. Its max pooling behind the stem is left
#: out and the last stage has stride 1: a total of 8 for 32, as in the whole zoo.
_STAGES = ((116, 4, 2), (232, 8, 2), (464, 4, 1))


def _branch(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        *conv_bn(inputs, outputs, 1),
        nn.ReLU(),
        *conv_bn(outputs, outputs, 3, stride, groups=outputs),
        *conv_bn(outputs, outputs, 1),
        nn.ReLU(),
    )


class _Stage(nn.Module):
    """One unit that sees all channels twice, then units that see half of them."""

    def __init__(self, inputs: int, outputs: int, units: int, stride: int) -> None:
        super().__init__()
        self.stream = outputs // 2
        self.shortcut = nn.Sequential(
            *conv_bn(inputs, inputs, 3, stride, groups=inputs), *conv_bn(inputs, self.stream, 1), nn.ReLU()
        )
        self.first = _branch(inputs, self.stream, stride)
        self.units = nn.ModuleList(_branch(self.stream, self.stream, 1) for _ in range(units - 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        left, right = self.shortcut(x), self.first(x)
        cut = self.stream // 2
        for unit in self.units:
            left, right = (
                torch.cat((left[:, :cut], right[:, :cut]), 1),
                torch.cat((left[:, cut:], right[:, cut:]), 1),
            )
            right = unit(right)
        return torch.cat((left, right), 1)


class ShuffleNetV2(PooledClassifier):
    """ShuffleNetV2, ``width`` times its channels; the last convolution keeps its 1024."""

    def __init__(self, num_classes: int, channels: int, width: float) -> None:
        inputs = make_divisible(_STEM * width)
        layers: list[nn.Module] = [*conv_bn(channels, inputs, 3, stride=2), nn.ReLU()]
        for stage, units, stride in _STAGES:
            outputs = make_divisible(stage * width, 4)
            layers.append(_Stage(inputs, outputs, units, stride))
            inputs = outputs
        last = make_divisible(_LAST * max(1.0, width))
        layers += [*conv_bn(inputs, last, 1), nn.ReLU()]
        super().__init__(nn.Sequential(*layers), last, num_classes)
