"""What the networks share: a small classifier of 48 x 48 grey faces around the part under test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

CLASSES = 8


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, **options: Any) -> nn.Sequential:
    """Return a convolution without bias and its BatchNorm; ``options`` are the convolution's."""
    padding = options.pop("padding", kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False, **options), nn.BatchNorm2d(outputs)
    )


def conv_bn_relu(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, **options: Any
) -> nn.Sequential:
    """Return :func:`conv_bn` and a ReLU."""
    return nn.Sequential(*conv_bn(inputs, outputs, kernel, stride, **options), nn.ReLU())


def stem() -> nn.Sequential:
    """Return the layers from the face to 16 channels on 12 x 12 maps, ReLU last."""
    return nn.Sequential(conv_bn_relu(1, 8, stride=2), conv_bn_relu(8, 16, stride=2))


def pooled_head(width: int) -> nn.Sequential:
    """Return the mean over the map and a linear layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))


class Around(nn.Module):
    """Stem to 16 channels on 12 x 12 maps, the part under test, a convolution and a head with 8 logits."""

    def __init__(self, part: nn.Module, width: int = 16) -> None:
        super().__init__()
        self.stem = stem()
        self.part = part
        self.head = nn.Sequential(conv_bn_relu(width, 32, stride=2), *pooled_head(32))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.part(self.stem(x)))
        return logits


class Apply(nn.Module):
    """A function of one tensor as a module."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)
