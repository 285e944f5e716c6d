"""What the architectures share: channel rounding, convolution with BatchNorm, activations, initialisation, the head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

ActivationName = Literal["relu6", "relu"]
ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType({"relu6": nn.ReLU6, "relu": nn.ReLU})


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round ``value`` to a multiple of ``divisor``, never down by more than 10 % (MobileNetV2's rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Return a bias-free convolution, padded to keep the size at stride 1, and its BatchNorm."""
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


def initialise(network: nn.Module) -> None:
    """Draw the weights: He's normal by fan-out for convolutions, N(0, 0.01) for linear layers (MobileNetV2's)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)


class PooledClassifier(nn.Module):
    """Features, global average pooling, one linear layer: normalised pixels in, logits out.

    The pooling is AdaptiveAvgPool2d(1) and flatten: the one form that XNNPACK, ONNX Runtime and Core ML all
    take into their delegates (``x.mean((2, 3))`` is left out by XNNPACK).
    """

    def __init__(self, features: nn.Module, width: int, num_classes: int, dropout: float = 0.2) -> None:
        """Take ``features``, which answers ``width`` channels, and draw all weights."""
        super().__init__()
        self.features = features
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) float32, normalised, to logits (N, num_classes) float32."""
        x = self.pool(self.features(x))
        logits: Tensor = self.classifier(self.dropout(torch.flatten(x, 1)))
        return logits
