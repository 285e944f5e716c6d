"""MobileNet (Howard et al., 2017) at a total stride of 8, for faces."""

from __future__ import annotations

from torch import nn

from fer_deploy.zoo.layers import PooledClassifier, conv_bn, make_divisible

_STEM = 32
#: Table 1 of the paper: channels and stride of each depthwise separable convolution. The last two strides of
#: 2 are 1 here, as in the whole zoo: see :mod:`fer_deploy.zoo.mobilenetv2`.
_ROWS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), *((512, 1),) * 6, (1024, 1), (1024, 1))


class MobileNetV1(PooledClassifier):
    """MobileNet with ReLU6, ``width`` times its channels."""

    def __init__(self, num_classes: int, channels: int, width: float) -> None:
        inputs = make_divisible(_STEM * width)
        layers = [*conv_bn(channels, inputs, 3, stride=2), nn.ReLU6()]
        for row, stride in _ROWS:
            outputs = make_divisible(row * width)
            layers += [*conv_bn(inputs, inputs, 3, stride, groups=inputs), nn.ReLU6()]
            layers += [*conv_bn(inputs, outputs, 1), nn.ReLU6()]
            inputs = outputs
        super().__init__(nn.Sequential(*layers), inputs, num_classes)
