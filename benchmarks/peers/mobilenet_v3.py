"""MobileNetV3-small (Howard et al., ICCV 2019, table 2) for grey faces: what int8 finds hard in one network.

Squeeze-and-excitation, hard-sigmoid and hard-swish, none of which the shipped models have. Layers are the paper's; the
first convolution takes one channel.
"""

from __future__ import annotations

from torch import Tensor, nn

LABELS = 8
#: Kernel, expanded channels, channels, squeeze-and-excitation, hard-swish in place of ReLU, stride.
LAYERS = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)


def _convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    act: type[nn.Module] | None = None,
) -> list[nn.Module]:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
    ]
    return layers if act is None else [*layers, act()]


class SqueezeExcite(nn.Module):
    """Scales each channel by what the means of all of them say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(8, (channels // 4 + 4) // 8 * 8)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled map."""
        scaled: Tensor = x * self.gate(x)
        return scaled


class Block(nn.Module):
    """An inverted residual; the sum is taken where shapes allow it."""

    def __init__(
        self, inputs: int, kernel: int, expanded: int, outputs: int, gated: bool, hard: bool, stride: int
    ) -> None:
        super().__init__()
        act = nn.Hardswish if hard else nn.ReLU
        layers = _convolution(inputs, expanded, 1, act=act) if expanded != inputs else []
        layers += _convolution(expanded, expanded, kernel, stride, expanded, act)
        layers += [SqueezeExcite(expanded)] if gated else []
        self.layers = nn.Sequential(*layers, *_convolution(expanded, outputs, 1))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's map."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


def build() -> nn.Module:
    """Return the network without weights; takes float32 (N, 1, H, W), answers (N, 8)."""
    layers = _convolution(1, 16, 3, 2, act=nn.Hardswish)
    channels = 16
    for kernel, expanded, outputs, gated, hard, stride in LAYERS:
        layers.append(Block(channels, kernel, expanded, outputs, gated, hard, stride))
        channels = outputs
    layers += _convolution(channels, 576, 1, act=nn.Hardswish)
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(576, 1024), nn.Hardswish()]
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(1024, LABELS))
