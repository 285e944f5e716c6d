"""Views, permutations, slices and products of activations."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import CLASSES, conv_bn_relu, pooled_head, stem
from conformance.registry import Group


def shuffled(x: Tensor, groups: int = 4) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class SlicedStem(nn.Module):
    """YOLO's Focus: every second pixel, four times, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = (
            nn.Sequential(conv_bn_relu(4, 16), conv_bn_relu(16, 16, stride=2)),
            pooled_head(16),
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        return self.head(self.body(torch.cat(parts, 1)))


class ChunkedBranches(nn.Module):
    """Res2Net's: a split into four, each part added to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv_bn_relu(4, 4) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        parts = list(torch.split(x, 4, 1))
        done = [parts[0], self.layers[0](parts[1])]
        for layer, part in zip(list(self.layers)[1:], parts[2:], strict=True):
            done.append(layer(done[-1] + part))
        return torch.cat(done, 1)


class CoordConv(nn.Module):
    """Constant coordinates beside the input."""

    grid: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.linspace(-1, 1, 12)
        self.register_buffer(
            "grid", torch.stack(torch.meshgrid(line, line, indexing="ij"))[None], persistent=False
        )
        self.c = conv_bn_relu(18, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.cat((x, self.grid.expand(x.shape[0], -1, -1, -1)), 1))


class SpatialTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Linear(16, 6)

    def forward(self, x: Tensor) -> Tensor:
        theta = 0.2 * self.theta(x.mean((2, 3))) + torch.tensor([1.0, 0, 0, 0, 1, 0])
        return F.grid_sample(
            x, F.affine_grid(theta.view(-1, 2, 3), list(x.shape), False), align_corners=False
        )


class BilinearPooling(nn.Module):
    """The outer product of a map's channels with themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = stem(), nn.Linear(256, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x).flatten(2)
        return self.head((y @ y.transpose(1, 2) / 144).flatten(1))


class Flattened(nn.Module):
    """The whole map into a Linear layer, by ``way``."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.body, self.head = way, stem(), nn.Linear(16 * 144, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.way == "view":
            return self.head(y.view(y.size(0), -1))
        return self.head(y.permute(0, 2, 3, 1).reshape(y.shape[0], -1))


class LastAxisLinear(nn.Module):
    """A Linear layer over the channels of a channels-last map, four dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)


class MapLinear(nn.Module):
    """A Linear layer over the places of the map, three dimensions, as MLP-Mixer has it."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(144, 144)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(x.flatten(2)).view(x.shape)


class SelectedChannels(nn.Module):
    index: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("index", torch.randperm(16))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x - 0.5 * torch.index_select(x, 1, self.index))


group = Group("Views and products")
group.function("channel_shuffle", "channel shuffle: view in five dimensions, transpose", shuffled)
group.function("channel_shuffle_op", "F.channel_shuffle", lambda x: F.channel_shuffle(x, 4))
group.function("pixel_shuffle", "pixel shuffle", lambda x: F.pixel_shuffle(x, 2), width=4)
group.function("pixel_unshuffle", "pixel unshuffle", lambda x: F.pixel_unshuffle(x, 2), width=64)
group.whole("sliced_stem", "every second pixel, four times, concatenated", SlicedStem)
group.part("chunked_branches", "split in four, parts added to the next, concatenated", ChunkedBranches)
group.function(
    "chunk_stack",
    "chunk, stack, mean over five dimensions",
    lambda x: torch.stack(torch.chunk(x, 2, 1), 2).mean(2),
    width=8,
)
group.function(
    "grouped_mean",
    "view in five dimensions, mean over one axis",
    lambda x: x.view(-1, 4, 4, 12, 12).mean(2),
    width=4,
)
group.function(
    "grouped_max",
    "view in five dimensions, max over one axis",
    lambda x: x.view(-1, 4, 4, 12, 12).amax(2),
    width=4,
)
group.function(
    "global_mean_five",
    "view in five dimensions, mean over both map axes subtracted",
    lambda x: (x.view(-1, 2, 8, 12, 12) - x.view(-1, 2, 8, 12, 12).mean((3, 4), keepdim=True)).reshape(
        -1, 16, 12, 12
    ),
    quick="onnx float",
)
group.function(
    "token_mean",
    "mean over axes (1, 2) of a channels-last map subtracted",
    lambda x: (x.permute(0, 2, 3, 1) - x.permute(0, 2, 3, 1).mean((1, 2), keepdim=True)).permute(0, 3, 1, 2),
)
group.function(
    "token_mean_three",
    "mean over (1, 2) of three dimensions",
    lambda x: (x.flatten(2) - x.flatten(2).mean((1, 2), keepdim=True)).view(-1, 16, 12, 12),
)
group.function(
    "mean_swapped_axes",
    "mean over axes (2, 3) of a channels-last map",
    lambda x: (x.permute(0, 2, 3, 1) - x.permute(0, 2, 3, 1).mean((2, 3), keepdim=True)).permute(0, 3, 1, 2),
)
group.function("mean_channels", "mean over axes (1, 2)", lambda x: x - x.mean((1, 2), keepdim=True))
group.function("transposed_map", "height and width exchanged", lambda x: x + x.transpose(2, 3))
group.function(
    "unbind",
    "unbind and stack in another order",
    lambda x: torch.stack(torch.unbind(x.view(-1, 4, 4, 12, 12), 1)[::-1], 1).flatten(1, 2),
)
group.function(
    "strided_slice", "every second channel, minus the others", lambda x: x[:, ::2] - x[:, 1::2], width=8
)
group.function("narrow", "a crop by narrow and by slices", lambda x: x.narrow(2, 2, 8)[..., 3:-1])
group.function("roll", "torch.roll", lambda x: torch.relu(x) + torch.roll(x, (3, -2), (2, 3)))
group.function("flip", "torch.flip", lambda x: x + torch.flip(x, (3,)))
group.function("repeat", "repeat along the channels", lambda x: x.repeat(1, 2, 1, 1), width=32)
group.function(
    "repeat_interleave", "repeat_interleave: nearest resize by hand", lambda x: x.repeat_interleave(2, 2)
)
group.function(
    "advanced_index", "channels chosen by a list", lambda x: x[:, [3, 1, 2, 0, 7, 5, 6, 4]], width=8
)
group.part("index_select", "index_select by a buffer", SelectedChannels)
group.part("coord_conv", "constant coordinates concatenated", CoordConv)
group.part("grid_sample", "spatial transformer: affine_grid, grid_sample", SpatialTransformer)
group.whole("bilinear_pooling", "matmul of activations with themselves", BilinearPooling)
group.function(
    "einsum_channels",
    "einsum over the channels of two activations",
    lambda x: torch.relu(
        torch.einsum("bchw,bdhw->bcd", x, torch.relu(x)).div(50)[:, :, :12].unsqueeze(-1) + x[:, :, :12]
    ),
    refused={"executorch w8a8-ptq": "einsum|unsqueeze"},
    or_right=True,
)
group.function(
    "outer_product",
    "expand and multiply: rows times columns",
    lambda x: x.mean(3).unsqueeze(3).expand(-1, -1, -1, 12) * x.amax(2).unsqueeze(2),
)
group.whole("flatten_view", "the whole map into a Linear layer, view", lambda: Flattened("view"))
group.whole(
    "flatten_channels_last", "the whole map, channels last, into a Linear layer", lambda: Flattened("last")
)
group.part("linear_channels", "Linear layers over a channels-last map", LastAxisLinear)
group.part("linear_places", "a Linear layer over the flattened places", MapLinear)
group.function(
    "squeeze_all", "squeeze and unsqueeze", lambda x: x.unsqueeze(1).squeeze(1).unsqueeze(-1).squeeze(-1)
)
group.function("sorted_channels", "torch.sort over the channels", lambda x: torch.sort(x, 1)[0])
group.function("top_channels", "torch.topk over the channels", lambda x: torch.topk(x, 8, 1)[0], width=8)
group.function("cumulative", "cumsum over the rows", lambda x: torch.cumsum(x, 2) / 6)
