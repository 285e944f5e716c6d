"""Convolutions: shared, with several users, and of every kind of padding and stride."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import Apply, conv_bn, conv_bn_relu
from conformance.registry import Group


class SharedTwoNorms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.b1, self.b2 = nn.BatchNorm2d(16), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.b1(self.c(x)))
        return torch.relu(self.b2(self.c(x)))


class SharedPlain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.c(torch.relu(self.c(x))))


class SharedOneNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c, self.b = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.b(self.c(x))) + self.c(x)


class PyramidHead(nn.Module):
    """A head shared between two levels of a pyramid, a BatchNorm for each level."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.fine, self.coarse = nn.BatchNorm2d(16), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        fine = torch.relu(self.fine(self.c(x)))
        coarse = torch.relu(self.coarse(self.c(F.max_pool2d(x, 2))))
        return fine + F.interpolate(coarse, scale_factor=2, mode="nearest")


class TiedWeights(nn.Module):
    """Two convolution modules with one weight between them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv_bn(16, 16), conv_bn(16, 16, dilation=2, padding=2)
        self.b[0].weight = self.a[0].weight

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.a(x)) + torch.relu(self.b(x))


class TridentBranches(nn.Module):
    """One weight under three dilations, as TridentNet has it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(16, 16, 3, 3) / 12)
        self.norms = nn.ModuleList(nn.BatchNorm2d(16) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            torch.relu(norm(F.conv2d(x, self.weight, padding=d, dilation=d)))
            for d, norm in enumerate(self.norms, 1)
        ]
        return branches[0] + branches[1] + branches[2]


class NormAndElsewhere(nn.Module):
    """A convolution's output goes through its BatchNorm and, as it is, past it."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.b = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(x)
        return torch.relu(self.b(y)) + torch.tanh(y)


class TwoNormsOfOne(nn.Module):
    """Two BatchNorms of one convolution's output."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.b1, self.b2 = nn.BatchNorm2d(16), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(x)
        return torch.relu(self.b1(y)) + self.b2(y)


class OneNormOfTwo(nn.Module):
    """One BatchNorm behind two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 5, padding=2)
        self.b = nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.b(self.c1(x))) + torch.relu(self.b(self.c2(x)))


class ConvThreeUsers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(16, 16, 3, padding=1)
        self.d, self.e = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(x)
        return torch.relu(self.d(y)) + torch.relu(self.e(y)) + torch.relu(y)


class StandardisedWeight(nn.Module):
    """Weight standardisation: the weight is computed in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(16, 16, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        w: Tensor = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) * 12)
        return torch.relu(F.conv2d(x, w, padding=1))


class UnfoldMatmul(nn.Module):
    """Convolution as unfold and a matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(16, 144) / 12)

    def forward(self, x: Tensor) -> Tensor:
        columns = F.unfold(x, 3, padding=1)
        return torch.relu(self.weight @ columns).reshape(-1, 16, 12, 12)


class Conv1dOverRows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c, self.b = nn.Conv1d(16, 16, 5, padding=2, bias=False), nn.BatchNorm1d(16)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.b(self.c(x.flatten(2)))).reshape(x.shape)


class Conv3dOverChannels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv3d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.c(x.unsqueeze(1))).squeeze(1)


def up_and_down(transposed: nn.Module) -> nn.Module:
    """Return a transposed convolution to twice the size, and a pool back."""
    return nn.Sequential(transposed, nn.ReLU(), nn.MaxPool2d(2))


def padded(*padding: int, mode: str = "constant", value: float | None = None) -> nn.Module:
    """Return a padding of its own and a convolution without one, back to 12 x 12."""
    grown = 12 + padding[0] + padding[1]
    return nn.Sequential(
        Apply(lambda x: F.pad(x, padding, mode, value)), conv_bn_relu(16, 16, grown - 11, padding=0)
    )


group = Group("Convolutions")
group.part(
    "shared_two_norms",
    "one convolution called twice, a BatchNorm for each call",
    SharedTwoNorms,
    quick="executorch float",
)
group.part("shared_plain", "one convolution called twice, no BatchNorm", SharedPlain)
group.part("shared_one_norm", "one convolution called twice, BatchNorm behind one call only", SharedOneNorm)
group.part(
    "pyramid_head",
    "one head for two levels of a pyramid, a BatchNorm for each",
    PyramidHead,
    quick="onnx w8a8-ptq",
)
group.part(
    "tied_weights", "two convolution modules with one weight between them, a BatchNorm each", TiedWeights
)
group.part("trident_branches", "one weight under three dilations, a BatchNorm each", TridentBranches)
group.part(
    "norm_and_elsewhere",
    "a convolution's output is normalised and used raw",
    NormAndElsewhere,
    quick="onnx w8a8-ptq",
)
group.part("two_norms_of_one", "two BatchNorms of one convolution's output", TwoNormsOfOne)
group.part("one_norm_of_two", "one BatchNorm behind two convolutions", OneNormOfTwo)
group.part("conv_three_users", "a convolution whose output three layers take", ConvThreeUsers)
group.part("standardised_weight", "the weight is computed in the forward pass", StandardisedWeight)
group.part(
    "unfold_matmul",
    "convolution written as unfold and matmul",
    UnfoldMatmul,
    refused={"executorch w8a8-ptq": "Failed to load method"},
)
group.part("conv1d_rows", "Conv1d and BatchNorm1d over the flattened map", Conv1dOverRows)
group.part(
    "conv3d_channels",
    "Conv3d over channels and map",
    Conv3dOverChannels,
    refused={"executorch float": "0x12", "executorch w8a8-ptq": "Missing out variants"},
)
group.part("depthwise", "depthwise convolution", lambda: conv_bn_relu(16, 16, groups=16))
group.part(
    "depthwise_multiplier", "depthwise, two outputs a channel", lambda: conv_bn_relu(16, 32, groups=16), 32
)
group.part("grouped", "convolution in 4 groups", lambda: conv_bn_relu(16, 16, groups=4))
group.part("dilated", "dilated convolution", lambda: conv_bn_relu(16, 16, dilation=2, padding=2))
group.part(
    "depthwise_dilated",
    "depthwise and dilated",
    lambda: conv_bn_relu(16, 16, dilation=3, padding=3, groups=16),
)
group.part("large_kernel", "depthwise 7 x 7", lambda: conv_bn_relu(16, 16, 7, groups=16))
group.part(
    "wide_kernel",
    "1 x 5 then 5 x 1",
    lambda: nn.Sequential(
        nn.Conv2d(16, 16, (1, 5), padding=(0, 2)), nn.Conv2d(16, 16, (5, 1), padding=(2, 0)), nn.ReLU()
    ),
)
group.part(
    "stride_over_kernel", "1 x 1 with stride 2: pixels are skipped", lambda: conv_bn_relu(16, 16, 1, 2)
)
group.part(
    "anisotropic",
    "strides and dilations that differ by axis",
    lambda: nn.Sequential(
        nn.Conv2d(16, 16, 3, (2, 1), (1, 2), (1, 2), bias=False), nn.BatchNorm2d(16), nn.ReLU()
    ),
)
group.part("patchify", "4 x 4 patches, stride 4", lambda: conv_bn_relu(16, 16, 4, 4, padding=0))
group.part("even_kernel", "2 x 2 kernel, padding 1", lambda: conv_bn_relu(16, 16, 2))
group.part(
    "same_padding",
    "padding='same' with an even kernel: asymmetric",
    lambda: conv_bn_relu(16, 16, 4, padding="same"),
)
group.part("valid_padding", "padding='valid'", lambda: conv_bn_relu(16, 16, padding="valid"))
group.part("reflect_conv", "padding_mode='reflect'", lambda: conv_bn_relu(16, 16, padding_mode="reflect"))
group.part(
    "replicate_conv", "padding_mode='replicate'", lambda: conv_bn_relu(16, 16, padding_mode="replicate")
)
group.part(
    "circular_conv",
    "padding_mode='circular'",
    lambda: conv_bn_relu(16, 16, padding_mode="circular"),
    refused={"coreml": "Pad mode"},
)
group.part("asymmetric_pad", "F.pad by 0 and 1, as TensorFlow's 'same'", lambda: padded(0, 1, 0, 1))
group.part("reflect_pad", "F.pad mode='reflect'", lambda: padded(1, 1, 1, 1, mode="reflect"))
group.part("pad_with_value", "F.pad with a value other than zero", lambda: padded(1, 1, 1, 1, value=-1.5))
group.part("negative_pad", "F.pad by negative amounts: a crop", lambda: padded(-1, 2, -1, 2))
group.part(
    "transposed", "transposed convolution, stride 2", lambda: up_and_down(nn.ConvTranspose2d(16, 16, 2, 2))
)
group.part(
    "transposed_grouped",
    "transposed, 4 groups",
    lambda: up_and_down(nn.ConvTranspose2d(16, 16, 4, 2, 1, groups=4)),
)
group.part(
    "transposed_odd",
    "transposed with output_padding and other width",
    lambda: up_and_down(nn.ConvTranspose2d(16, 24, 3, 2, 1, output_padding=1)),
    24,
)
group.part(
    "transposed_dilated",
    "transposed and dilated",
    lambda: up_and_down(nn.ConvTranspose2d(16, 16, 3, 2, 2, output_padding=1, dilation=2)),
)
