"""MobileNets for faces: V1 (Howard et al., 2017), V2 (Sandler et al., CVPR 2018), V3-Small (Howard et al., ICCV 2019).

Strides are chosen for faces, not for ImageNet. A FER face fills its crop at 48 px, and what tells
the classes apart (eyelids, mouth corners, brows) is 4 to 10 px wide. ImageNet's total stride of 32
would leave a 1.5 x 1.5 map; the family uses a total stride of 8, so the last map of a 48 px face
is 6 x 6, one cell to each facial part.

Where the third paper has hard swish there is ReLU6, the same replacement that EfficientNet-Lite makes for swish:
XNNPACK and ONNX Runtime have no int8 kernel for it and fall back to float there.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fer_deploy.zoo.layers import (
    ACTIVATIONS,
    ActivationName,
    PooledClassifier,
    conv_bn,
    initialise,
    make_divisible,
)

_V1_STEM = 32
#: Table 1 of the paper: channels and stride of each depthwise separable convolution. The last two strides of
#: 2 are 1 here, as in the whole zoo: see :mod:`fer_deploy.zoo.mobilenet`.
_V1_ROWS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), *((512, 1),) * 6, (1024, 1), (1024, 1))


class MobileNetV1(PooledClassifier):
    """MobileNet with ReLU6, ``width`` times its channels."""

    def __init__(self, num_classes: int, channels: int, width: float) -> None:
        inputs = make_divisible(_V1_STEM * width)
        layers = [*conv_bn(channels, inputs, 3, stride=2), nn.ReLU6()]
        for row, stride in _V1_ROWS:
            outputs = make_divisible(row * width)
            layers += [*conv_bn(inputs, inputs, 3, stride, groups=inputs), nn.ReLU6()]
            layers += [*conv_bn(inputs, outputs, 1), nn.ReLU6()]
            inputs = outputs
        super().__init__(nn.Sequential(*layers), inputs, num_classes)


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


class _InvertedResidual(nn.Module):
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
                    _InvertedResidual(
                        width, stage.channels, stage.expansion, stride, stage.kernel, activation
                    )
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


class _Row(NamedTuple):
    kernel: int
    expanded: int
    channels: int
    squeeze: bool
    six: bool
    stride: int


#: Table 2 of the paper; ``six`` where it has hard swish. Stem, second and fourth row keep their stride of 2; the
#: first and the ninth have 1.
_V3_ROWS = (
    _Row(3, 16, 16, True, False, 1),
    _Row(3, 72, 24, False, False, 2),
    _Row(3, 88, 24, False, False, 1),
    _Row(5, 96, 40, True, True, 2),
    _Row(5, 240, 40, True, True, 1),
    _Row(5, 240, 40, True, True, 1),
    _Row(5, 120, 48, True, True, 1),
    _Row(5, 144, 48, True, True, 1),
    _Row(5, 288, 96, True, True, 1),
    _Row(5, 576, 96, True, True, 1),
    _Row(5, 576, 96, True, True, 1),
)
_V3_STEM, _LAST_CONV, _LAST_LINEAR = 16, 576, 1024


class SqueezeExcite(nn.Module):
    """Channel weights from the global average; a quarter of the channels in between.

    The gate is ReLU6(z + 3), six times the paper's hard sigmoid: as convolution and clamp it is one int8 kernel
    on every target. The BatchNorm behind the projection that follows takes the factor out again.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = make_divisible(channels / 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Sequential(nn.Conv2d(channels, squeezed, 1), nn.ReLU())
        self.expand = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) float32 to the same shape."""
        gated: Tensor = x * self.gate(self.expand(self.reduce(self.pool(x))))
        return gated


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, row: _Row, width: float) -> None:
        super().__init__()
        hidden, outputs = make_divisible(row.expanded * width), make_divisible(row.channels * width)
        act = nn.ReLU6 if row.six else nn.ReLU
        layers: list[nn.Module] = []
        if hidden != inputs:
            layers += [*conv_bn(inputs, hidden, 1), act()]
        layers += [*conv_bn(hidden, hidden, row.kernel, row.stride, groups=hidden), act()]
        if row.squeeze:
            layers.append(SqueezeExcite(hidden))
        layers += conv_bn(hidden, outputs, 1)
        self.body = nn.Sequential(*layers)
        self.residual = row.stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.residual else y


class MobileNetV3Small(PooledClassifier):
    """MobileNetV3-Small, ``width`` times its channels; the 1024 features in front of the classifier stay."""

    def __init__(self, num_classes: int, channels: int, width: float) -> None:
        inputs = make_divisible(_V3_STEM * width)
        layers = [*conv_bn(channels, inputs, 3, stride=2), nn.ReLU6()]
        for row in _V3_ROWS:
            layers.append(_Bottleneck(inputs, row, width))
            inputs = make_divisible(row.channels * width)
        last = make_divisible(_LAST_CONV * width)
        layers += [*conv_bn(inputs, last, 1), nn.ReLU6()]
        # The paper widens to 1024 behind the pooling, where a 1x1 convolution costs least.
        layers += [nn.AdaptiveAvgPool2d(1), nn.Conv2d(last, _LAST_LINEAR, 1), nn.ReLU6()]
        super().__init__(nn.Sequential(*layers), _LAST_LINEAR, num_classes)
        for module in self.modules():
            if isinstance(module, SqueezeExcite):
                assert module.expand.bias is not None
                nn.init.constant_(module.expand.bias, 3.0)
