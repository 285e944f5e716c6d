"""Normalisation, and where folding it would be wrong."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from conformance.blocks import CLASSES, Apply, conv_bn, conv_bn_relu, stem
from conformance.registry import Group


class Preactivated(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.b1, self.c1 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.b2, self.c2 = nn.BatchNorm2d(width), nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.c1(torch.relu(self.b1(x)))
        return self.c2(torch.relu(self.b2(y))) + x


class PreactResNet(nn.Module):
    """The stem convolution feeds both the first BatchNorm and the identity skip."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pool = nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.MaxPool2d(2)
        self.a, self.b = Preactivated(16), Preactivated(16)
        self.norm, self.head = nn.BatchNorm2d(16), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(self.pool(self.a(self.stem(x))))
        return self.head(torch.relu(self.norm(x)).mean((2, 3)))


class NormOnInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.body, self.head = nn.BatchNorm2d(1), stem(), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.adaptive_avg_pool2d(self.body(self.norm(x)), 1).flatten(1))


class NormInHead(nn.Module):
    """Linear, BatchNorm1d, ReLU, Linear."""

    def __init__(self, before: bool) -> None:
        super().__init__()
        self.body, self.hidden, self.head = stem(), nn.Linear(16, 24, bias=before), nn.Linear(24, CLASSES)
        self.norm = nn.BatchNorm1d(16 if before else 24)
        self.before = before

    def forward(self, x: Tensor) -> Tensor:
        y = F.adaptive_avg_pool2d(self.body(x), 1).flatten(1)
        y = self.hidden(self.norm(y)) if self.before else self.norm(self.hidden(y))
        return self.head(torch.relu(y))


class NormOfLogits(nn.Module):
    """BatchNorm behind the last layer, as face recognisers have it."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.norm = stem(), nn.Linear(16, CLASSES, bias=False), nn.BatchNorm1d(CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.head(F.adaptive_avg_pool2d(self.body(x), 1).flatten(1)))


class NormOfSum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 1)
        self.norm = nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.a(x) + self.b(x)))


class NormOfCat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(16, 8, 3, padding=1), nn.Conv2d(16, 8, 1)
        self.norm = nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(torch.cat((self.a(x), self.b(x)), 1)))


class FrozenNorm(nn.Module):
    """BatchNorm written out over its buffers, as detection backbones have it."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        for name, value in (("weight", 0.8), ("bias", 0.1), ("mean", 0.2), ("var", 0.5)):
            self.register_buffer(name, (torch.rand(width) + 0.5) * value)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, mean, var = (
            item.reshape(1, -1, 1, 1) for item in (self.weight, self.bias, self.mean, self.var)
        )
        scale = weight * (var + 1e-5).rsqrt()
        return x * scale + (bias - mean * scale)


class ChannelsFirstLayerNorm(nn.Module):
    """LayerNorm over the channels, written out as in ConvNeXt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(width) + 0.5), nn.Parameter(torch.randn(width) * 0.2)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class PermutedLayerNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LayerScale(nn.Module):
    """A residual branch times a learned, small number a channel."""

    def __init__(self) -> None:
        super().__init__()
        self.branch, self.gamma = conv_bn(16, 16), nn.Parameter(torch.full((16, 1, 1), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.branch(x)


class GlobalResponseNorm(nn.Module):
    """ConvNeXt V2's: the L2 norm over the map, divided by its mean over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.rand(1, 16, 1, 1)), nn.Parameter(torch.rand(1, 16, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        size = torch.norm(x, p=2, dim=(2, 3), keepdim=True)
        return self.gamma * (x * (size / (size.mean(1, keepdim=True) + 1e-6))) + self.beta + x


def negative_gammas(network: Any) -> None:
    """Turn the sign of half of the part's BatchNorm weights."""
    with torch.no_grad():
        network.part[1].weight[::2] *= -1


def quiet_channels(network: Any) -> None:
    """Give two channels the running variance of a channel that hardly ever fires."""
    norm = network.part[1]
    with torch.no_grad():
        norm.running_var[:2] = 1e-7
        norm.running_mean[:2] = network.part[0].weight.new_zeros(2)
        network.part[0].weight[:2] *= 1e-3


group = Group("Normalisation and folding")
group.whole(
    "preact_resnet",
    "pre-activation ResNet: convolutions feed a BatchNorm and a skip",
    PreactResNet,
    quick="onnx w8a8-ptq",
)
group.whole("norm_on_input", "BatchNorm on the input", NormOnInput)
group.whole("norm_before_linear", "BatchNorm1d before a Linear layer", lambda: NormInHead(True))
group.whole("norm_after_linear", "BatchNorm1d behind a Linear layer", lambda: NormInHead(False))
group.whole("norm_of_logits", "BatchNorm1d behind the last layer", NormOfLogits)
group.part(
    "norm_before_conv",
    "BatchNorm before a padded convolution",
    lambda: nn.Sequential(nn.BatchNorm2d(16), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()),
)
group.part(
    "norm_after_relu",
    "convolution, ReLU, BatchNorm, convolution",
    lambda: nn.Sequential(
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(16),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
    ),
    quick="onnx w8a8-ptq",
)
group.part(
    "norm_twice",
    "convolution and two BatchNorms in a row",
    lambda: nn.Sequential(*conv_bn(16, 16), nn.BatchNorm2d(16), nn.ReLU()),
)
group.part(
    "norm_after_pool",
    "convolution, pool, BatchNorm",
    lambda: nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.AvgPool2d(2), nn.BatchNorm2d(16), nn.ReLU()),
)
group.part("norm_of_sum", "BatchNorm behind an addition", NormOfSum)
group.part("norm_of_cat", "BatchNorm behind a concatenation", NormOfCat)
group.part(
    "norm_not_affine",
    "BatchNorm without weight and bias",
    lambda: nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16, affine=False), nn.ReLU()),
)
group.part(
    "norm_large_eps",
    "BatchNorm with eps 0.1",
    lambda: nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16, eps=0.1), nn.ReLU()),
)
group.part(
    "norm_negative", "BatchNorm with negative weights", lambda: conv_bn_relu(16, 16), after=negative_gammas
)
group.part(
    "norm_quiet",
    "BatchNorm channels with a variance near zero",
    lambda: conv_bn_relu(16, 16),
    after=quiet_channels,
)
group.part(
    "norm_transposed",
    "transposed convolution and BatchNorm",
    lambda: nn.Sequential(
        nn.ConvTranspose2d(16, 24, 2, 2, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2)
    ),
    24,
)
group.part(
    "norm_transposed_grouped",
    "transposed convolution in groups and BatchNorm",
    lambda: nn.Sequential(
        nn.ConvTranspose2d(16, 16, 2, 2, groups=4), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)
    ),
)
group.part(
    "norm_depthwise",
    "depthwise, BatchNorm, pointwise, BatchNorm",
    lambda: nn.Sequential(*conv_bn(16, 16, groups=16), *conv_bn_relu(16, 16, 1)),
)
group.part(
    "norm_frozen",
    "BatchNorm written out over buffers",
    lambda: nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), FrozenNorm(16), nn.ReLU()),
)
group.layer("layer_norm_channels", "LayerNorm over channels, written out", lambda: ChannelsFirstLayerNorm(16))
group.layer("layer_norm_permuted", "LayerNorm between two permutes", PermutedLayerNorm)
group.layer("layer_norm_map", "LayerNorm over channels and map", lambda: nn.LayerNorm((16, 12, 12)))
group.layer("group_norm", "GroupNorm in 4 groups", lambda: nn.GroupNorm(4, 16))
group.layer("group_norm_one", "GroupNorm in 1 group", lambda: nn.GroupNorm(1, 16))
group.layer("instance_norm", "InstanceNorm", lambda: nn.InstanceNorm2d(16, affine=True))
group.layer("local_response_norm", "LocalResponseNorm", lambda: nn.LocalResponseNorm(3))
group.layer("global_response_norm", "global response normalisation", GlobalResponseNorm)
group.layer(
    "rms_norm",
    "RMSNorm between two permutes",
    lambda: nn.Sequential(
        Apply(lambda x: x.permute(0, 2, 3, 1)), nn.RMSNorm(16), Apply(lambda x: x.permute(0, 3, 1, 2))
    ),
)
group.function("l2_normalised", "F.normalize over the channels", lambda x: 4 * F.normalize(x, dim=1))
group.part("layer_scale", "a residual branch times a learned number a channel", LayerScale)
group.part(
    "weight_norm",
    "weight_norm, its parametrization left on",
    lambda: nn.Sequential(weight_norm(nn.Conv2d(16, 16, 3, padding=1)), nn.BatchNorm2d(16), nn.ReLU()),
)
group.part(
    "spectral_norm",
    "spectral_norm, its parametrization left on",
    lambda: nn.Sequential(spectral_norm(nn.Conv2d(16, 16, 3, padding=1)), nn.BatchNorm2d(16), nn.ReLU()),
)
