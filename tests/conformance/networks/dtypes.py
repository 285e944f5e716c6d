"""Number formats, memory layouts and operations in place."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import Apply, Around, conv_bn, conv_bn_relu, pooled_head, stem
from conformance.registry import Group


class InFormat(nn.Module):
    """A convolution whose weights and arithmetic are of another number format."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.c = dtype, nn.Conv2d(16, 16, 3, padding=1).to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.c(x.to(self.dtype))).float()


class StoredHalf(nn.Module):
    """Weights kept as half precision, widened when they are used."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", (torch.randn(16, 16, 3, 3) / 12).half())

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(F.conv2d(x, self.weight.float(), padding=1))


class BytesInside(nn.Module):
    """The input is turned back into bytes and scaled anew."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = stem(), pooled_head(16)

    def forward(self, x: Tensor) -> Tensor:
        pixels = (x * 64 + 128).round().clamp(0, 255).to(torch.uint8)
        return self.head(self.body(pixels.float() / 127.5 - 1))


class Rescaled(nn.Module):
    """The network has a normalisation of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = stem(), pooled_head(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body((x * 64 + 128) / 255))


class ThreeChannels(nn.Module):
    """A grey face repeated to three channels for an RGB network."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = (
            nn.Sequential(conv_bn_relu(3, 16, stride=2), conv_bn_relu(16, 16, stride=2)),
            pooled_head(16),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.first(x.repeat(1, 3, 1, 1)))


class InPlaceSum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv_bn(16, 16), conv_bn(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        y += self.b(x)
        y.add_(0.25).mul_(0.8)
        return F.relu_(y)


class Assigned(nn.Module):
    """A slice is assigned to."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv_bn(16, 16), conv_bn(16, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x).clone()
        y[:, :8] = self.b(x)
        y[:, 8:, 0] = 0
        return torch.relu(y)


class Shifted(nn.Module):
    """Temporal shift's way: channels are copied into zeros one place on."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        y[:, :4, 1:] = x[:, :4, :-1]
        y[:, 4:8, :-1] = x[:, 4:8, 1:]
        y[:, 8:] = x[:, 8:]
        return y


class Scripted(nn.Module):
    """A function compiled by torch.jit.script inside."""

    def __init__(self) -> None:
        super().__init__()
        self.c = conv_bn(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        return _scripted()(self.c(x))


def _scripted() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(_swish)


def _swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


class Guarded(nn.Module):
    """no_grad and detach in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv_bn_relu(16, 16), conv_bn_relu(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.a(x)
        return self.b(y.detach()) + y


class Checkpointed(nn.Module):
    """torch.utils.checkpoint in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.a = conv_bn_relu(16, 16)

    def forward(self, x: Tensor) -> Any:
        from torch.utils.checkpoint import checkpoint

        return checkpoint(self.a, x, use_reentrant=False)


def channels_last() -> nn.Module:
    network = Around(nn.Sequential(conv_bn_relu(16, 16), conv_bn_relu(16, 16, groups=4)))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def transposed_weights(network: Any) -> None:
    """Give a layer a weight that is a view with other strides."""
    weight = network.head[3].weight
    network.head[3].weight = nn.Parameter(weight.detach().t().contiguous().t())


group = Group("Formats, layouts, in place")
group.whole(
    "channels_last", "weights in memory_format channels_last", channels_last, quick="executorch float"
)
group.part(
    "channels_last_inside",
    "contiguous(memory_format=channels_last) inside",
    lambda: nn.Sequential(
        Apply(lambda x: x.contiguous(memory_format=torch.channels_last)), conv_bn_relu(16, 16)
    ),
)
group.part(
    "strided_weight",
    "a Linear weight that is a transposed view",
    lambda: conv_bn_relu(16, 16),
    after=transposed_weights,
)
group.part(
    "half_layer",
    "a layer in half precision",
    lambda: InFormat(torch.float16),
    float_floor=45,
    refused={"w8a8-ptq": "made of float32 layers"},
)
group.part(
    "bfloat_layer",
    "a layer in bfloat16",
    lambda: InFormat(torch.bfloat16),
    refused={"*": "weights in bfloat16"},
)
group.part(
    "double_layer",
    "a layer in double precision",
    lambda: InFormat(torch.float64),
    refused={"w8a8-ptq": "made of float32 layers", "onnx float": "find an implementation for Conv"},
)
group.part("half_weights", "weights stored in half precision", StoredHalf)
group.whole("bytes_inside", "the input cast to uint8 and scaled anew", BytesInside)
group.whole("own_normalisation", "the network normalises once more", Rescaled)
group.whole("three_channels", "a grey face repeated to three channels", ThreeChannels)
group.part("in_place_sum", "+=, add_, mul_, relu_", InPlaceSum)
group.part("assigned_slice", "y[:, :8] = ...", Assigned)
group.part("shifted_channels", "slices copied into zeros", Shifted)
group.part("scripted_function", "a torch.jit.script function inside", Scripted)
group.part("detached", "no_grad and detach", Guarded)
group.part("checkpointed", "activation checkpointing", Checkpointed)
group.function("cast_whole", "a cast to int and back", lambda x: (4 * x).to(torch.int32).float() / 4 + x)
group.function(
    "full_like",
    "ones_like and full_like in the forward pass",
    lambda x: x * torch.full_like(x, 0.7) + torch.ones_like(x),
)
