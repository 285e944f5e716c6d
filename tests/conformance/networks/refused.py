"""What no artifact can be: functions of chance, of the batch, of other inputs, or that cannot be traced."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import Apply, conv_bn, conv_bn_relu, pooled_head, stem
from conformance.registry import Group


class Always(nn.Module):
    """Dropout that stays on, whatever mode the network is in."""

    def __init__(self) -> None:
        super().__init__()
        self.c = conv_bn_relu(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.c(x), 0.3)


class StubbornDropout(nn.Dropout):
    """Monte Carlo dropout: eval() is overridden."""

    def train(self, mode: bool = True) -> StubbornDropout:  # noqa: ARG002
        super().train(True)
        return self


class BatchStatistics(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(F.batch_norm(self.c(x), None, None, training=True))


class Noise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = conv_bn_relu(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(x)
        return y + 0.1 * torch.randn_like(y)


class StochasticDepth(nn.Module):
    """The branch is dropped at random, in evaluation too."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = conv_bn_relu(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x) * torch.floor(torch.rand(x.shape[0], 1, 1, 1) + 0.5)


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv_bn_relu(16, 16), conv_bn_relu(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) if float(x.mean()) > 0.5 else self.b(x)


class ThroughNumpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() * 2)


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.other = stem(), pooled_head(16), pooled_head(16)

    def forward(self, x: Tensor) -> Any:
        y = self.body(x)
        return self.head(y), self.other(y)


class NamedOutput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = stem(), pooled_head(16)

    def forward(self, x: Tensor) -> Any:
        return {"logits": self.head(self.body(x))}


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = stem(), pooled_head(16)

    def forward(self, x: Tensor, landmarks: Tensor) -> Any:
        return self.head(self.body(x)) + landmarks.sum()


class NinthLogit(nn.Module):
    """Nine logits for a contract of eight labels."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = stem(), nn.Linear(16, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


class OneImageOnly(nn.Module):
    """The batch size is written into a view."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = stem(), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.head(one.view(1, 16, 144).mean(2)) for one in self.body(x)])


class KeptState(nn.Module):
    """A running mean that every call moves."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.c = conv_bn_relu(16, 16)
        self.register_buffer("mean", torch.zeros(16, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(x)
        self.mean.mul_(0.9).add_(0.1 * y.mean((0, 2, 3)).view(16, 1, 1))
        return y - self.mean


def not_finite(network: Any) -> None:
    with torch.no_grad():
        network.part[0].weight[0, 0, 0, 0] = float("nan")


group = Group("Refused")
group.part(
    "dropout_functional",
    "F.dropout that stays on",
    Always,
    refused={"*": "[Dd]ropout|random"},
    quick="onnx float",
)
group.part(
    "dropout_stubborn",
    "a Dropout that eval() does not reach",
    lambda: nn.Sequential(conv_bn_relu(16, 16), StubbornDropout(0.3)),
    refused={"*": "[Dd]ropout|random"},
)
group.part(
    "dropout_alpha",
    "alpha dropout that stays on",
    lambda: nn.Sequential(conv_bn(16, 16), Apply(lambda x: F.alpha_dropout(x, 0.2, training=True))),
    refused={"*": "[Dd]ropout|random"},
)
group.part(
    "norm_no_statistics",
    "BatchNorm without running statistics",
    lambda: nn.Sequential(
        nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16, track_running_stats=False), nn.ReLU()
    ),
    refused={"*": "BatchNorm"},
    quick="onnx float",
)
group.part("norm_functional", "F.batch_norm in training mode", BatchStatistics, refused={"*": "BatchNorm"})
group.part(
    "batch_mates",
    "x minus the mean over the batch",
    lambda: nn.Sequential(conv_bn_relu(16, 16), Apply(lambda x: x - x.mean(0, keepdim=True))),
    refused={"*": "batch"},
    quick="onnx float",
)
group.part(
    "batch_softmax",
    "softmax over the batch",
    lambda: nn.Sequential(conv_bn_relu(16, 16), Apply(lambda x: x * torch.softmax(x, 0))),
    refused={"*": "batch"},
)
group.part("noise", "noise added in evaluation", Noise, refused={"*": "random"})
group.part("stochastic_depth", "stochastic depth that stays on", StochasticDepth, refused={"*": "random"})
group.part("kept_state", "a buffer that every call changes", KeptState, refused={"*": "state|another value"})
group.part(
    "branching", "an if over the activations", Branching, refused={"*": "if|control flow|data-dependent"}
)
group.part(
    "through_numpy",
    "a detour through NumPy",
    lambda: nn.Sequential(conv_bn_relu(16, 16), ThroughNumpy()),
    refused={"*": "[Nn]um[Pp]y|traced|exported"},
)
group.whole(
    "one_image_only", "a Python loop over the batch", OneImageOnly, refused={"*": "batch"}, or_right=True
)
group.whole("two_outputs", "two outputs", TwoOutputs, refused={"*": "labels"})
group.whole("named_output", "a dictionary as output", NamedOutput, refused={"*": "labels"})
group.whole("two_inputs", "two inputs", TwoInputs, refused={"*": "input"})
group.whole("ninth_logit", "nine logits for eight labels", NinthLogit, refused={"*": "labels"})
group.part(
    "not_a_number",
    "a weight that is NaN",
    lambda: conv_bn_relu(16, 16),
    after=not_finite,
    refused={"*": "finite"},
)
group.function(
    "fourier",
    "real part of an FFT over the map",
    lambda x: torch.fft.fft2(x).real / 12,
    refused={"*": "fft|complex|Fourier"},
    or_right=True,
)
group.function(
    "fourier_filter",
    "a filter in the frequency domain",
    lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * 0.5, s=(12, 12)),
    refused={"*": "fft|complex|Fourier"},
    or_right=True,
)
group.function(
    "singular_values",
    "singular values of the map",
    lambda x: x * torch.linalg.svdvals(x[:, 0]).amax(1)[:, None, None, None] / 12,
    refused={"*": "svd|linalg"},
    or_right=True,
)
