"""MobileNetV2 with width, depth, expansion, kernels and strides as parameters (Sandler et al., CVPR 2018).

Strides are chosen for faces, not for ImageNet. A FER face fills its crop at 48 px, and what tells
the classes apart (eyelids, mouth corners, brows) is 4 to 10 px wide. ImageNet's total stride of 32
would leave a 1.5 x 1.5 map; the family uses a total stride of 8, so the last map of a 48 px face
is 6 x 6, one cell to each facial part.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fer_deploy.zoo.layers import ACTIVATIONS, ActivationName, conv_bn, initialise, make_divisible


@dataclass(frozen=True)
class Stage:
    """A row of the paper's layer table: ``repeats`` bottlenecks, the first one with ``stride``."""

    expansion: int
    channels: int
    repeats: int
    stride: int
    kernel: int = 3


@dataclass(frozen=True)
class Layout:
    """A whole network: stem, stages of bottlenecks, 1x1 head."""

    stem_channels: int
    stem_stride: int
    stages: tuple[Stage, ...]
    head_channels: int
    dropout: float = 0.2


def scaled(
    layout: Layout,
    width: float = 1.0,
    depth: float = 1.0,
    expansion: int | None = None,
    stem_stride: int | None = None,
) -> Layout:
    """Return ``layout`` slimmed or widened, or with maps of another size.

    Args:
        layout: the table at width 1.
        width: multiplier on every channel count. The head never shrinks: MobileNetV2 keeps its last layer at
            full size when the multiplier is below 1 (Sandler et al., section 4).
        depth: multiplier on the repeats of every stage, rounded half up, at least one.
        expansion: the expansion of every stage that expands at all; None for the table's.
        stem_stride: of the first convolution; None for the table's. Every later stride stays.
    """
    return dataclasses.replace(
        layout,
        stem_channels=make_divisible(layout.stem_channels * width),
        stem_stride=layout.stem_stride if stem_stride is None else stem_stride,
        stages=tuple(
            dataclasses.replace(
                stage,
                expansion=stage.expansion if expansion is None or stage.expansion == 1 else expansion,
                channels=make_divisible(stage.channels * width),
                repeats=max(1, int(stage.repeats * depth + 0.5)),
            )
            for stage in layout.stages
        ),
        head_channels=make_divisible(layout.head_channels * max(1.0, width)),
    )


class InvertedResidual(nn.Module):
    """MobileNetV2's bottleneck: 1x1 expand, depthwise, linear 1x1 project, residual where shapes allow."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        expansion: int,
        stride: int,
        kernel: int = 3,
        activation: ActivationName = "relu6",
    ) -> None:
        super().__init__()
        hidden, act = inputs * expansion, ACTIVATIONS[activation]
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [*conv_bn(inputs, hidden, 1), act()]
        layers += [*conv_bn(hidden, hidden, kernel, stride, groups=hidden), act()]
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

    def __init__(
        self, layout: Layout, num_classes: int, channels: int, activation: ActivationName = "relu6"
    ) -> None:
        super().__init__()
        act = ACTIVATIONS[activation]
        width = layout.stem_channels
        self.stem = nn.Sequential(*conv_bn(channels, width, 3, layout.stem_stride), act())
        blocks: list[nn.Module] = []
        for stage in layout.stages:
            for index in range(stage.repeats):
                stride = stage.stride if index == 0 else 1
                blocks.append(
                    InvertedResidual(width, stage.channels, stage.expansion, stride, stage.kernel, activation)
                )
                width = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(*conv_bn(width, layout.head_channels, 1), act())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(layout.dropout)
        self.classifier = nn.Linear(layout.head_channels, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) float32, normalised, to logits (N, num_classes) float32."""
        x = self.pool(self.head(self.blocks(self.stem(x))))
        logits: Tensor = self.classifier(self.dropout(torch.flatten(x, 1)))
        return logits
