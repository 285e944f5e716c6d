"""MobileNetV2 with width, depth and strides as parameters (Sandler et al., CVPR 2018).

Strides are chosen for faces, not for ImageNet. A FER face fills its crop at 48 px, and what tells
the classes apart (eyelids, mouth corners, brows) is 4 to 10 px wide. ImageNet's total stride of 32
would leave a 1.5 x 1.5 map; the family uses a total stride of 8, so the last map of a 48 px face
is 6 x 6, one cell to each facial part.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Stage:
    """A row of the paper's layer table: ``repeats`` bottlenecks, the first one with ``stride``."""

    expansion: int
    channels: int
    repeats: int
    stride: int


@dataclass(frozen=True)
class Layout:
    """A whole network: stem, stages of bottlenecks, 1x1 head."""

    stem_channels: int
    stem_stride: int
    stages: tuple[Stage, ...]
    head_channels: int
    dropout: float = 0.2


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round ``value`` to a multiple of ``divisor``, never down by more than 10 % (MobileNetV2's rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def scaled(layout: Layout, width: float) -> Layout:
    """Return ``layout`` with every channel count multiplied by ``width``; the head never shrinks below it.

    MobileNetV2 keeps its last layer at full size when ``width`` < 1 (Sandler et al., section 4).
    """
    return Layout(
        stem_channels=make_divisible(layout.stem_channels * width),
        stem_stride=layout.stem_stride,
        stages=tuple(
            Stage(s.expansion, make_divisible(s.channels * width), s.repeats, s.stride) for s in layout.stages
        ),
        head_channels=make_divisible(layout.head_channels * max(1.0, width)),
        dropout=layout.dropout,
    )


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a bias-free convolution, padded to keep the size at stride 1, and its BatchNorm."""
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class InvertedResidual(nn.Module):
    """MobileNetV2's bottleneck: 1x1 expand, 3x3 depthwise, linear 1x1 project, residual where shapes allow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [*conv_bn(inputs, hidden, 1), nn.ReLU6()]
        layers += [*conv_bn(hidden, hidden, 3, stride, groups=hidden), nn.ReLU6()]
        layers += conv_bn(hidden, outputs, 1)
        self.body = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) float32 to (N, outputs, H/stride, W/stride)."""
        y: Tensor = self.body(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """The classifier; normalised pixels in, logits out.

    The head is AdaptiveAvgPool2d(1), flatten, linear: the one form of global pooling that XNNPACK,
    ONNX Runtime and Core ML all take into their delegates (``x.mean((2, 3))`` is left out by XNNPACK).
    """

    def __init__(self, layout: Layout, num_classes: int, channels: int) -> None:
        super().__init__()
        width = layout.stem_channels
        self.stem = nn.Sequential(*conv_bn(channels, width, 3, layout.stem_stride), nn.ReLU6())
        blocks: list[nn.Module] = []
        for stage in layout.stages:
            for index in range(stage.repeats):
                stride = stage.stride if index == 0 else 1
                blocks.append(InvertedResidual(width, stage.channels, stage.expansion, stride))
                width = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(*conv_bn(width, layout.head_channels, 1), nn.ReLU6())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(layout.dropout)
        self.classifier = nn.Linear(layout.head_channels, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) float32, normalised, to logits (N, num_classes) float32."""
        x = self.pool(self.head(self.blocks(self.stem(x))))
        logits: Tensor = self.classifier(self.dropout(torch.flatten(x, 1)))
        return logits
