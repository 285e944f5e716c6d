"""Activation functions, torch's and written by hand."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import CLASSES, conv_bn_relu, stem
from conformance.registry import Group


class HeadActivation(nn.Module):
    """An activation behind a Linear layer, in two dimensions."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.body = stem()
        self.head = nn.Sequential(nn.Linear(16, 24), activation, nn.Linear(24, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.adaptive_avg_pool2d(self.body(x), 1).flatten(1))


class StarReLU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.tensor([0.9])), nn.Parameter(torch.tensor([-0.4]))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * torch.relu(x) ** 2 + self.bias


class Maxout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(self.a(x), self.b(x))


group = Group("Activations")
group.layer("relu6", "ReLU6", nn.ReLU6)
group.layer("hardtanh", "Hardtanh from -2 to 3", lambda: nn.Hardtanh(-2, 3))
group.layer("hardswish", "Hardswish", nn.Hardswish)
group.layer("hardsigmoid", "Hardsigmoid", nn.Hardsigmoid)
group.layer("silu", "SiLU", nn.SiLU)
group.layer("gelu", "GELU, exact", nn.GELU)
group.layer("gelu_tanh", "GELU, tanh approximation", lambda: nn.GELU("tanh"), quick="coreml float")
group.layer("mish", "Mish", nn.Mish)
group.layer("elu", "ELU", nn.ELU)
group.layer("selu", "SELU", nn.SELU)
group.layer("celu", "CELU", lambda: nn.CELU(0.7))
group.layer("leaky_relu", "LeakyReLU", lambda: nn.LeakyReLU(0.1))
group.layer("rrelu", "RReLU in evaluation mode", nn.RReLU)
group.layer("prelu", "PReLU, a slope a channel", lambda: nn.PReLU(16, 0.2))
group.layer("prelu_single", "PReLU, one slope", lambda: nn.PReLU(1, 0.2))
group.whole(
    "prelu_linear",
    "PReLU behind a Linear layer",
    lambda: HeadActivation(nn.PReLU(24, 0.2)),
    quick="executorch float",
)
group.whole("gelu_linear", "GELU behind a Linear layer", lambda: HeadActivation(nn.GELU()))
group.whole("hardswish_linear", "Hardswish behind a Linear layer", lambda: HeadActivation(nn.Hardswish()))
group.whole("tanh_linear", "Tanh behind a Linear layer", lambda: HeadActivation(nn.Tanh()))
group.layer("softplus", "Softplus", lambda: nn.Softplus(2))
group.layer("softsign", "Softsign", nn.Softsign)
group.layer("tanh", "Tanh", nn.Tanh)
group.layer("sigmoid", "Sigmoid", nn.Sigmoid)
group.layer("log_sigmoid", "LogSigmoid", nn.LogSigmoid)
group.layer(
    "hardshrink",
    "Hardshrink",
    nn.Hardshrink,
    refused={"coreml": "hardshrink", "executorch w8a8-ptq": "hardshrink"},
)
group.layer("softshrink", "Softshrink", nn.Softshrink)
group.layer("threshold", "Threshold", lambda: nn.Threshold(0.3, -0.2))
group.layer("glu", "GLU over the channels", lambda: nn.GLU(1), width=8)
group.layer("star_relu", "StarReLU: s relu(x)^2 + b", StarReLU)
group.part("maxout", "maximum of two convolutions", Maxout)
group.function(
    "crelu", "relu(x) beside relu(-x)", lambda x: torch.cat((torch.relu(x), torch.relu(-x)), 1), width=32
)
group.function(
    "hard_swish_by_hand", "x * relu6(x + 3) / 6", lambda x: x * F.relu6(x + 3) / 6, quick="onnx w8a8-ptq"
)
group.function("hard_sigmoid_by_hand", "clamp(x + 3, 0, 6) / 6", lambda x: torch.clamp(x + 3, 0, 6) / 6)
group.function("swish_by_hand", "x * sigmoid(x)", lambda x: x * torch.sigmoid(x))
group.function("quick_gelu", "x * sigmoid(1.702 x)", lambda x: x * torch.sigmoid(1.702 * x))
group.function("gelu_by_hand", "0.5 x (1 + erf(x / sqrt 2))", lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)))
group.function("mish_by_hand", "x * tanh(softplus(x))", lambda x: x * torch.tanh(F.softplus(x)))
group.function("leaky_by_hand", "where(x > 0, x, 0.1 x)", lambda x: torch.where(x > 0, x, 0.1 * x))
group.function("leaky_by_maximum", "maximum(x, 0.1 x)", lambda x: torch.maximum(x, 0.1 * x))
group.function("squared_relu", "relu(x)^2", lambda x: torch.relu(x).square())
group.function("clamp_low", "clamp from below only", lambda x: torch.clamp(x, min=-0.5))
group.function("clamp_high", "clamp from above only", lambda x: torch.clamp(x, max=0.5))
group.function("absolute", "abs", torch.abs)
group.part("relu_in_place", "nn.ReLU(inplace=True) on a tensor used again", lambda: InPlaceReused())


class InPlaceReused(nn.Module):
    """The in-place ReLU changes what the addition sees."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.relu, self.b = (
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(inplace=True),
            conv_bn_relu(16, 16),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        return self.b(self.relu(y)) + y
