"""mini-Xception (Arriaga, Valdenegro-Toro & Ploeger, 2017): the small network that FER demos use most.

Made for 48 and 64 px faces, it keeps its own strides. Two things differ from the authors' Keras code
(github.com/oarriaga/face_classification): convolutions keep the size by padding, and the last 3x3 convolution,
which answers one map per class before pooling, is a linear layer behind the pooling, as in the whole zoo.
"""

from __future__ import annotations

from torch import Tensor, nn

from fer_deploy.zoo.layers import PooledClassifier, conv_bn, make_divisible

_STEM = 8
_MODULES = (16, 32, 64, 128)


def _separable(inputs: int, outputs: int) -> list[nn.Module]:
    """Return a depthwise and a pointwise convolution with no BatchNorm between, as Keras' SeparableConv2D."""
    return [
        nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
        *conv_bn(inputs, outputs, 1),
    ]


class _Module(nn.Module):
    """Two separable convolutions and a max pooling beside a strided 1x1 shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_separable(inputs, outputs),
            nn.ReLU(),
            *_separable(outputs, outputs),
            nn.MaxPool2d(2, ceil_mode=True),
        )
        self.shortcut = nn.Sequential(*conv_bn(inputs, outputs, 1, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H/2, W/2), rounded up."""
        y: Tensor = self.body(x) + self.shortcut(x)
        return y


class MiniXception(PooledClassifier):
    """mini-Xception, ``width`` times its channels."""

    def __init__(self, num_classes: int, channels: int, width: float) -> None:
        inputs = make_divisible(_STEM * width)
        layers: list[nn.Module] = [
            *conv_bn(channels, inputs, 3),
            nn.ReLU(),
            *conv_bn(inputs, inputs, 3),
            nn.ReLU(),
        ]
        for row in _MODULES:
            outputs = make_divisible(row * width)
            layers.append(_Module(inputs, outputs))
            inputs = outputs
        super().__init__(nn.Sequential(*layers), inputs, num_classes)
