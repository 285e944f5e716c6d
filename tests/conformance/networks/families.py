"""Blocks of known families of networks."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import conv_bn, conv_bn_relu
from conformance.registry import Group


class Residual(nn.Module):
    """x + body(x), ``last`` behind it."""

    def __init__(self, *body: nn.Module, last: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.last = nn.Sequential(*body), last or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.body(x) + x)


class ConvNeXt(nn.Module):
    """Depthwise 7 x 7, LayerNorm and Linear layers over channels-last maps, GELU, layer scale."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(16, 16, 7, padding=3, groups=16), nn.LayerNorm(16, eps=1e-6)
        self.wide, self.narrow = nn.Linear(16, 64), nn.Linear(64, 16)
        self.gamma = nn.Parameter(torch.full((16,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.gamma * self.narrow(F.gelu(self.wide(y)))
        return x + y.permute(0, 3, 1, 2)


class ShuffleUnit(nn.Module):
    """ShuffleNetV2's: half of the channels through a branch, then a shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(conv_bn_relu(8, 8, 1), conv_bn(8, 8, groups=8), conv_bn_relu(8, 8, 1))

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        y = torch.cat((left, self.branch(right)), 1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class DenseBlock(nn.Module):
    """Every layer sees all before it; BatchNorm and ReLU come before the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(16 + 8 * n), nn.ReLU(), nn.Conv2d(16 + 8 * n, 8, 3, padding=1, bias=False)
            )
            for n in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat((x, layer(x)), 1)
        return x


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            (
                conv_bn_relu(16, 8, 1),
                nn.Sequential(conv_bn_relu(16, 8, 1), conv_bn_relu(8, 8)),
                nn.Sequential(conv_bn_relu(16, 8, 1), conv_bn_relu(8, 8, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_bn_relu(16, 8, 1)),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Ghost(nn.Module):
    """Half of the channels are cheap functions of the other half; surplus ones are cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.primary, self.cheap = conv_bn_relu(16, 9, 1), conv_bn_relu(9, 9, groups=9)

    def forward(self, x: Tensor) -> Tensor:
        y = self.primary(x)
        return torch.cat((y, self.cheap(y)), 1)[:, :16]


class RepVgg(nn.Module):
    """Three branches before they are merged: 3 x 3, 1 x 1 and a BatchNorm alone."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = conv_bn(16, 16), conv_bn(16, 16, 1), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.a(x) + self.b(x) + self.c(x))


class CrossStage(nn.Module):
    """CSPNet's: two ways side by side, one of them with residuals."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.out = conv_bn_relu(16, 8, 1), conv_bn_relu(16, 8, 1), conv_bn_relu(16, 16, 1)
        self.body = Residual(conv_bn_relu(8, 8, 1), conv_bn_relu(8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.cat((self.body(self.a(x)), self.b(x)), 1))


class Mixer(nn.Module):
    """MLP-Mixer's block: Linear layers over places, then over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.places = nn.Sequential(nn.Linear(144, 32), nn.GELU(), nn.Linear(32, 144))
        self.channels = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, x: Tensor) -> Tensor:
        t = x.flatten(2).transpose(1, 2)
        t = t + self.places(self.n1(t).transpose(1, 2)).transpose(1, 2)
        t = t + self.channels(self.n2(t))
        return t.transpose(1, 2).view(x.shape)


class PoolFormer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.pool = nn.GroupNorm(1, 16), nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.mlp = nn.Sequential(nn.Conv2d(16, 32, 1), nn.GELU(), nn.Conv2d(32, 16, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        x = x + (self.pool(y) - y)
        return x + self.mlp(x)


class HighResolution(nn.Module):
    """HRNet's exchange between two resolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.split, self.fine, self.coarse = (
            conv_bn_relu(16, 16, stride=2),
            conv_bn_relu(16, 16),
            conv_bn_relu(16, 16),
        )
        self.up, self.down = conv_bn(16, 16, 1), conv_bn(16, 16, stride=2)
        self.last = conv_bn_relu(16, 16, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        coarse = self.coarse(self.split(x))
        fine = self.fine(x)
        joined = torch.relu(fine + F.interpolate(self.up(coarse), scale_factor=2, mode="nearest"))
        return self.last(joined) + torch.relu(coarse + self.down(fine))


class Highway(nn.Module):
    """t * h + (1 - t) * x."""

    def __init__(self) -> None:
        super().__init__()
        self.h, self.t = conv_bn_relu(16, 16), conv_bn(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        t = torch.sigmoid(self.t(x))
        return t * self.h(x) + (1 - t) * x


class Excited(nn.Module):
    """The gate of MobileNetV3 and EfficientNet."""

    def __init__(self, width: int, gate: nn.Module) -> None:
        super().__init__()
        self.pool, self.reduce, self.expand = (
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, 8, 1),
            nn.Conv2d(8, width, 1),
        )
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.expand(torch.relu(self.reduce(self.pool(x)))))


def inverted(activation: nn.Module, *between: nn.Module) -> nn.Module:
    """Return an inverted residual of three convolutions."""
    return Residual(
        *conv_bn(16, 32, 1),
        activation,
        *conv_bn(32, 32, groups=32),
        activation,
        *between,
        *conv_bn(32, 16, 1),
    )


group = Group("Blocks of known families")
group.part(
    "resnet_basic",
    "ResNet: basic block",
    lambda: Residual(conv_bn_relu(16, 16), conv_bn(16, 16), last=nn.ReLU()),
)
group.part(
    "resnet_bottleneck",
    "ResNet: bottleneck, ReLU in place",
    lambda: Residual(
        *conv_bn(16, 8, 1),
        nn.ReLU(inplace=True),
        *conv_bn(8, 8),
        nn.ReLU(inplace=True),
        *conv_bn(8, 16, 1),
        last=nn.ReLU(inplace=True),
    ),
)
group.part(
    "resnext",
    "ResNeXt: grouped bottleneck",
    lambda: Residual(
        conv_bn_relu(16, 16, 1), conv_bn_relu(16, 16, groups=8), conv_bn(16, 16, 1), last=nn.ReLU()
    ),
)
group.part(
    "mobilenet_v2", "MobileNetV2: inverted residual, one ReLU6 module twice", lambda: inverted(nn.ReLU6())
)
group.part(
    "mobilenet_v3",
    "MobileNetV3: inverted residual, gate, Hardswish",
    lambda: inverted(nn.Hardswish(), Excited(32, nn.Hardsigmoid())),
)
group.part(
    "efficientnet",
    "EfficientNet: inverted residual, gate, SiLU",
    lambda: inverted(nn.SiLU(), Excited(32, nn.Sigmoid())),
)
group.part("convnext", "ConvNeXt block", ConvNeXt)
group.part("shufflenet", "ShuffleNetV2 unit: split and shuffle", ShuffleUnit)
group.part("densenet", "DenseNet block", DenseBlock, 40)
group.part("inception", "Inception: four branches concatenated", Inception, 32)
group.part("ghost", "GhostNet module: concatenated, then cut", Ghost)
group.part("repvgg", "RepVGG: three branches, one a BatchNorm alone", RepVgg)
group.part("csp", "CSPNet stage", CrossStage)
group.part("mixer", "MLP-Mixer block", Mixer)
group.part("poolformer", "PoolFormer block", PoolFormer)
group.part("hrnet", "HRNet: exchange between two resolutions", HighResolution)
group.part("highway", "t h + (1 - t) x", Highway)
