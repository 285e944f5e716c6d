"""Networks that teach and are not shipped: too large for a phone, strong on 48 px faces.

VGG13: Barsoum et al., ICMI 2016 (the FER+ baseline), with BatchNorm and a pooled head. Residual: He et al., CVPR 2016,
basic blocks on maps that start at full size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

from fer_deploy.errors import ModelError
from fer_deploy.zoo.layers import conv_bn

#: Channels of the convolutions of each stage, a max pooling after every stage but the last.
_VGG_STAGES = ((64, 64), (128, 128), (256, 256, 256), (384, 384, 384))
_VGG_DROPOUT = 0.4
_VGG_MAP_DROPOUT = 0.05
_RESIDUAL_WIDTHS = (64, 128, 256, 512)
_RESIDUAL_DEPTHS = (1, 2, 2, 2)
_RESIDUAL_DROPOUT = 0.3


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut; starts as the shortcut alone."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_bn(inputs, outputs, 3, stride), nn.ReLU(inplace=True), *conv_bn(outputs, outputs, 3)
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_bn(inputs, outputs, 1, stride))
        last = self.body[-1]
        assert isinstance(last, nn.BatchNorm2d)
        # A block that adds nothing at first keeps high learning rates stable (Goyal et al., 2017, section 5.1).
        nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        return F.relu(self.shortcut(x) + self.body(x))


class _Teacher(nn.Module):
    """Features, mean over the map, dropout, one linear layer; PyTorch's default initialisation."""

    def __init__(self, features: list[nn.Module], width: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) float32, normalised, to logits (N, num_classes) float32."""
        logits: Tensor = self.classifier(self.dropout(self.features(x).mean((2, 3))))
        return logits


def _vgg13(num_classes: int, channels: int) -> nn.Module:
    layers: list[nn.Module] = []
    width = channels
    for index, stage in enumerate(_VGG_STAGES):
        if index > 0:
            layers += [nn.MaxPool2d(2), nn.Dropout2d(_VGG_MAP_DROPOUT)]
        for outputs in stage:
            layers += [*conv_bn(width, outputs, 3), nn.ReLU(inplace=True)]
            width = outputs
    return _Teacher(layers, width, num_classes, _VGG_DROPOUT)


def _resnet(num_classes: int, channels: int) -> nn.Module:
    width = _RESIDUAL_WIDTHS[0]
    layers: list[nn.Module] = [*conv_bn(channels, width, 3), nn.ReLU(inplace=True)]
    for index, (depth, outputs) in enumerate(zip(_RESIDUAL_DEPTHS, _RESIDUAL_WIDTHS, strict=True)):
        for block in range(depth):
            layers.append(_Residual(width, outputs, 2 if block == 0 and index > 0 else 1))
            width = outputs
    return _Teacher(layers, width, num_classes, _RESIDUAL_DROPOUT)


#: Name to maker, from (num_classes, channels).
TEACHERS: Mapping[str, Callable[[int, int], nn.Module]] = MappingProxyType(
    {"vgg13_bn": _vgg13, "resnet_1222": _resnet}
)


def build_teacher(name: str, num_classes: int, channels: int = 1) -> nn.Module:
    """Return a freshly initialised teacher.

    Args:
        name: one of :data:`TEACHERS`.
        num_classes: size of the logits.
        channels: 1 for grey, 3 for rgb input.

    Raises:
        ModelError: unknown name.
    """
    if name not in TEACHERS:
        raise ModelError(f"unknown teacher '{name}'; known: {', '.join(TEACHERS)}")
    return TEACHERS[name](num_classes, channels)
