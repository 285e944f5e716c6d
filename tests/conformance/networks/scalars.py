"""Scalars, constants and elementwise arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import conv_bn
from conformance.registry import Group


class Two(nn.Module):
    """A function of the outputs of two convolutions."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.b, self.function = conv_bn(16, 16), conv_bn(16, 16, 1), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.a(x), self.b(x))


class Constant(nn.Module):
    """A buffer or a parameter of some shape, added to or multiplied with the input."""

    value: Tensor

    def __init__(self, *shape: int, multiplied: bool = False, learned: bool = False) -> None:
        super().__init__()
        value = torch.rand(shape) + 0.5
        if learned:
            self.value = nn.Parameter(value)
        else:
            self.register_buffer("value", value)
        self.multiplied = multiplied

    def forward(self, x: Tensor) -> Tensor:
        return x * self.value if self.multiplied else x + self.value


group = Group("Scalars and elementwise")
group.part(
    "add_scaled",
    "x + 0.17 y, as Inception-ResNet has it",
    lambda: Two(lambda x, y: x + 0.17 * y),
    quick="onnx w8a8-ptq",
)
group.part("add_alpha", "torch.add with alpha", lambda: Two(lambda x, y: torch.add(x, y, alpha=0.17)))
group.part("sub_alpha", "torch.sub with alpha", lambda: Two(lambda x, y: torch.sub(x, y, alpha=0.5)))
group.part("subtracted", "x - y", lambda: Two(lambda x, y: x - y))
group.part("multiplied", "x * y", lambda: Two(lambda x, y: x * y))
group.part("divided", "x / (1 + y^2)", lambda: Two(lambda x, y: x / (1 + y**2)))
group.part(
    "minimum",
    "minimum and maximum of two",
    lambda: Two(lambda x, y: torch.minimum(x, y) + torch.maximum(x, -y)),
)
group.part("lerp", "torch.lerp", lambda: Two(lambda x, y: torch.lerp(x, y, 0.3)))
group.part("addcmul", "torch.addcmul", lambda: Two(lambda x, y: torch.addcmul(x, x, y, value=0.5)))
group.part(
    "where_greater", "where(x > y, x, 0.5 y)", lambda: Two(lambda x, y: torch.where(x > y, x, 0.5 * y))
)
group.part("mask_cast", "x times a comparison cast to float", lambda: Two(lambda x, y: x * (y > 0).float()))
group.part("mask_fill", "masked_fill", lambda: Two(lambda x, y: x.masked_fill(y < 0, 0.25)))
group.part("average", "(x + y) / 2", lambda: Two(lambda x, y: (x + y) / 2))
group.function("half", "x * 0.5", lambda x: x * 0.5)
group.function("one_minus", "1 - x", lambda x: 1 - x, quick="onnx w8a8-ptq")
group.function("divided_by_six", "x / 6", lambda x: x / 6)
group.function("scalar_over", "1 / (1 + exp(-x))", lambda x: 1 / (1 + torch.exp(-x)))
group.function("whole_numbers", "2 x + 1, whole numbers", lambda x: x * 2 + 1)
group.function("affine", "x.mul(0.7).add(-0.3)", lambda x: x.mul(0.7).add(-0.3))
group.function("negated", "-x", lambda x: -x)
group.function("squared", "x ** 2", lambda x: x**2)
group.function("cubed", "x ** 3 / 8", lambda x: x**3 / 8)
group.function("square_root", "sqrt(x^2 + 0.01)", lambda x: torch.sqrt(x * x + 0.01))
group.function("reciprocal_root", "rsqrt(x^2 + 1)", lambda x: x * torch.rsqrt(x * x + 1))
group.function("log1p", "log1p(relu(x))", lambda x: torch.log1p(torch.relu(x)))
group.function("logarithm", "log(1 + exp(x))", lambda x: torch.log(1 + torch.exp(x)))
group.function("sine", "sin and cos", lambda x: torch.sin(x) + torch.cos(2 * x))
group.function("rounded", "round(4 x) / 4", lambda x: torch.round(4 * x) / 4 + x)
group.function("floored", "floor and remainder", lambda x: x - torch.floor(x) + torch.relu(x))
group.function("sign", "sign(x) sqrt(|x|)", lambda x: torch.sign(x) * torch.sqrt(x.abs() + 1e-3))
group.function("softmax_channels", "softmax over the channels", lambda x: 8 * torch.softmax(x, 1))
group.function("log_softmax_channels", "log-softmax over the channels", lambda x: F.log_softmax(x, 1))
group.function(
    "softmax_map", "softmax over the places", lambda x: x * 144 * F.softmax(x.flatten(2), -1).view(x.shape)
)
group.function(
    "logsumexp", "x minus logsumexp over channels", lambda x: x - torch.logsumexp(x, 1, keepdim=True)
)
group.function("centred", "x minus its mean over the map", lambda x: x - x.mean((2, 3), keepdim=True))
group.function(
    "standardised",
    "(x - mean) / std over the map",
    lambda x: (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 0.1),
)
group.function(
    "scaled_by_maximum", "x divided by its largest value", lambda x: x / x.abs().amax((1, 2, 3), keepdim=True)
)
group.layer("buffer_channels", "a buffer a channel added", lambda: Constant(1, 16, 1, 1))
group.layer("buffer_scalar", "a buffer without dimensions multiplied", lambda: Constant(multiplied=True))
group.layer("position_bias", "a learned map added", lambda: Constant(1, 16, 12, 12, learned=True))
group.layer(
    "learned_mask",
    "a learned map multiplied, broadcast over channels",
    lambda: Constant(12, 12, multiplied=True, learned=True),
)
group.layer(
    "learned_scalar", "a learned number multiplied", lambda: Constant(1, multiplied=True, learned=True)
)
