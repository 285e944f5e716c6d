"""MobileNetV3-Small (Howard et al., ICCV 2019) at a total stride of 8, for faces.

Where the paper has hard swish there is ReLU6, the same replacement that EfficientNet-Lite makes for swish:
XNNPACK and ONNX Runtime have no int8 kernel for it and fall back to float there.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from fer_deploy.zoo.layers import PooledClassifier, conv_bn, make_divisible


class _Row(NamedTuple):
    kernel: int
    expanded: int
    channels: int
    squeeze: bool
    six: bool
    stride: int


#: Table 2 of the paper; ``six`` where it has hard swish. Stem, second and fourth row keep their stride of 2; the
#: first and the ninth have 1.
_ROWS = (
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
_STEM, _LAST_CONV, _LAST_LINEAR = 16, 576, 1024


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
        inputs = make_divisible(_STEM * width)
        layers = [*conv_bn(channels, inputs, 3, stride=2), nn.ReLU6()]
        for row in _ROWS:
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
