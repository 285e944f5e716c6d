"""Weights and activations of unusual sizes: the plain network is the same, its numbers are not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from conformance.blocks import conv_bn, conv_bn_relu
from conformance.registry import Group


class TwoConvs(nn.Module):
    """Two convolutions with bias, a ReLU behind each. Without padding a constant channel is the same everywhere."""

    def __init__(self, padding: int = 1) -> None:
        super().__init__()
        self.c, self.d = nn.Conv2d(16, 16, 3, padding=padding), nn.Conv2d(16, 16, 3, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.d(torch.relu(self.c(x))))


class SkippedBranch(nn.Module):
    """x + branch(x): what becomes of the branch does not decide alone."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(conv_bn_relu(16, 16), conv_bn(16, 16))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.branch(x))


class UnlikeNeighbours(nn.Module):
    """Branches of a thousandth and of a hundred, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv_bn_relu(16, 8), conv_bn_relu(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.a(x), self.b(x)), 1)


@torch.no_grad()
def pruned(network: Any) -> None:
    for conv in (network.part.c, network.part.d):
        conv.weight[:4] = 0
        conv.bias[:4] = torch.tensor([8.0, 6.0, 4.0, 2.0])
        conv.weight[4] *= 1e-9
        conv.bias[4] = 5.0


@torch.no_grad()
def pruned_without_bias(network: Any) -> None:
    for conv in (network.part.c, network.part.d):
        conv.weight[:4] = 0
        conv.bias[:4] = 0


@torch.no_grad()
def sparse(network: Any) -> None:
    for conv in (network.part.c, network.part.d):
        conv.weight *= torch.rand_like(conv.weight) > 0.8
        conv.weight *= 2


def scaled(by: float) -> Any:
    """Return a change that scales the first convolution's output, and the second's input back."""

    @torch.no_grad()
    def change(network: Any) -> None:
        network.part.c.weight *= by
        network.part.c.bias *= by
        network.part.d.weight /= by

    return change


@torch.no_grad()
def unlike_channels(network: Any) -> None:
    """Scale each channel between the two convolutions by another power of two, exactly undone behind it."""
    factors = 2.0 ** torch.linspace(-6, 6, 16).round()
    network.part.c.weight *= factors.view(-1, 1, 1, 1)
    network.part.c.bias *= factors
    network.part.d.weight /= factors.view(1, -1, 1, 1)


@torch.no_grad()
def large_biases(network: Any) -> None:
    network.part.c.bias[:8] = 100.0
    network.part.d.bias -= network.part.d.weight[:, :8].sum((1, 2, 3)) * 100.0


@torch.no_grad()
def outlier(network: Any) -> None:
    network.part.c.weight[3] *= 50


@torch.no_grad()
def unlike(network: Any) -> None:
    network.part.a[1].weight *= 1e-3
    network.part.a[1].bias *= 1e-3
    network.part.b[1].weight *= 1e2
    network.part.b[1].bias *= 1e2
    network.head[0][0].weight[:, :8] *= 1e3
    network.head[0][0].weight[:, 8:] *= 1e-2


@torch.no_grad()
def dead_branch(network: Any) -> None:
    """Let the branch's last BatchNorm be as zero-init residual leaves it."""
    network.part.branch[1][1].weight.zero_()
    network.part.branch[1][1].bias.zero_()


@torch.no_grad()
def constant_branch(network: Any) -> None:
    network.part.branch[1][1].weight.zero_()
    network.part.branch[1][1].bias.fill_(0.5)


@torch.no_grad()
def silent_relu(network: Any) -> None:
    """Let no value pass the branch's ReLU."""
    network.part.branch[0][1].bias.fill_(-100.0)


@torch.no_grad()
def negative(network: Any) -> None:
    """Let the map be below zero everywhere, a small part of its range in use."""
    network.part[1].bias.fill_(-20.0)


#: Where a layer gives one value on every face, int8 may say so instead: the network has a dead part.
DEAD: dict[str, Any] = {"refused": {"w8a8-ptq": "dead|constant"}, "or_right": True}

#: What torchao's own graph is no longer the network of either; leaving layers in float may keep it.
HARD: dict[str, Any] = {"refused": {"w8a8-ptq": "dB"}, "or_right": True}

group = Group("Ranges of numbers")
group.part(
    "pruned_channels",
    "all-zero channels that keep a bias",
    lambda: TwoConvs(0),
    after=pruned,
    quick="onnx w8a8-ptq",
)
group.part("pruned_no_bias", "all-zero channels, no bias", TwoConvs, after=pruned_without_bias)
group.part("sparse_weights", "four of five weights are zero", TwoConvs, after=sparse)
group.part(
    "small_activations", "activations of a thousandth", TwoConvs, after=scaled(1e-3), quick="onnx w8a8-ptq"
)
group.part("tiny_activations", "activations of a millionth", TwoConvs, after=scaled(1e-6))
group.part("large_activations", "activations of ten thousands", TwoConvs, after=scaled(1e4))
group.part(
    "unlike_channels", "channels of one layer that differ by 4,096", TwoConvs, after=unlike_channels, **HARD
)
group.part("large_biases", "biases that outweigh the convolution", TwoConvs, after=large_biases, **HARD)
group.part("outlier_channel", "one channel 50 times the others", TwoConvs, after=outlier)
group.part(
    "unlike_neighbours",
    "branches of 1e-3 and 1e2 concatenated",
    UnlikeNeighbours,
    after=unlike,
    **HARD,
)
group.part("dead_branch", "a residual branch that is always zero", SkippedBranch, after=dead_branch, **DEAD)
group.part(
    "constant_branch", "a residual branch that is a constant", SkippedBranch, after=constant_branch, **DEAD
)
group.part("silent_relu", "a ReLU that nothing passes", SkippedBranch, after=silent_relu, **DEAD)
group.part("negative_only", "a map that is below zero everywhere", lambda: conv_bn(16, 16), after=negative)
