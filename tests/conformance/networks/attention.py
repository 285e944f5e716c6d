"""Gates over channels and places, and attention over tokens."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import CLASSES, conv_bn, conv_bn_relu, stem
from conformance.registry import Group


class SqueezeExcite(nn.Module):
    """The gate's mean and its way back to four dimensions are the caller's."""

    def __init__(
        self, pool: Callable[[Tensor], Tensor], linear: bool, gate: Callable[[Tensor], Tensor] = torch.sigmoid
    ) -> None:
        super().__init__()
        self.linear, self.pool, self.gate = linear, pool, gate
        self.body = conv_bn_relu(16, 16)
        self.reduce: nn.Module = nn.Linear(16, 4) if linear else nn.Conv2d(16, 4, 1)
        self.expand: nn.Module = nn.Linear(4, 16) if linear else nn.Conv2d(4, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        gate = self.gate(3 * self.expand(torch.relu(self.reduce(self.pool(x)))))
        return x * (gate.view(-1, 16, 1, 1) if self.linear else gate)


class ExpandedGate(nn.Module):
    """SENet's: the gate is expanded to the map before the product."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = (
            conv_bn_relu(16, 16),
            nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16)),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        b, c, _, _ = x.size()
        gate = torch.sigmoid(self.fc(F.adaptive_avg_pool2d(x, 1).view(b, c))).view(b, c, 1, 1)
        return x * gate.expand_as(x)


class EfficientChannel(nn.Module):
    """ECA: a 1-D convolution over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.c = conv_bn_relu(16, 16), nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        y = F.adaptive_avg_pool2d(x, 1)
        y = self.c(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * torch.sigmoid(y)


class Cbam(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = conv_bn_relu(16, 16)
        self.mlp = nn.Sequential(nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1))
        self.place = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        x = x * torch.sigmoid(self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1)))
        both = torch.cat((x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]), 1)
        return x * torch.sigmoid(self.place(both))


class CoordinateAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.mix = conv_bn_relu(16, 16), conv_bn(16, 8, 1)
        self.rows, self.columns = nn.Conv2d(8, 16, 1), nn.Conv2d(8, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        h, w = x.shape[2:]
        rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)
        y = F.hardswish(self.mix(torch.cat((rows, columns), 2)))
        rows, columns = torch.split(y, [h, w], 2)
        return x * torch.sigmoid(self.rows(rows)) * torch.sigmoid(self.columns(columns.transpose(2, 3)))


class SplitAttention(nn.Module):
    """A mean over the map of a five-dimensional tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.g = conv_bn(16, 16), nn.Parameter(torch.randn(1, 2, 8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.c(x)
        b, c, h, w = y.shape
        y = y.view(b, 2, c // 2, h, w)
        return (y * torch.sigmoid(3 * y.mean((-2, -1), keepdim=True) * self.g)).reshape(b, c, h, w)


class SelectiveKernel(nn.Module):
    """SKNet: softmax over a stack of branches."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv_bn_relu(16, 16), conv_bn_relu(16, 16, dilation=2, padding=2)
        self.reduce, self.expand = nn.Linear(16, 8), nn.Linear(8, 32)

    def forward(self, x: Tensor) -> Tensor:
        branches = torch.stack((self.a(x), self.b(x)), 1)
        pooled = branches.sum(1).mean((-1, -2))
        weights = self.expand(torch.relu(self.reduce(pooled))).view(-1, 2, 16, 1, 1)
        return (branches * torch.softmax(weights, 1)).sum(1)


class Tokens(nn.Module):
    """Attention over the 144 places of the map, two heads; ``attend`` is q, k, v (N, 2, 144, 8) to the same."""

    def __init__(self, attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.attend = attend
        self.norm, self.qkv, self.out = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm(tokens)).reshape(n, h * w, 3, 2, 8).permute(2, 0, 3, 1, 4)
        y = self.attend(3 * q, k, v).transpose(1, 2).reshape(n, h * w, c)
        return (tokens + self.out(y)).transpose(1, 2).reshape(n, c, h, w)


def scaled_query(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1), -1) @ v


def scaled_scores(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.softmax(torch.matmul(q, k.transpose(-2, -1)) / q.size(-1) ** 0.5, dim=-1) @ v


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = torch.einsum("bhqd,bhkd->bhqk", q, k).mul(8**-0.5).softmax(-1)
    return torch.einsum("bhqk,bhkd->bhqd", weights, v)


def linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q.softmax(-1) @ (k.softmax(-2).transpose(-2, -1) @ v) * 4


class MultiHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(16), nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x.flatten(2).transpose(1, 2))
        y, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return x + y.transpose(1, 2).reshape(x.shape)


class EncoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, 0.1, "gelu", batch_first=True, norm_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)


class VisionTransformer(nn.Module):
    """Patches, a class token, learned positions, one block, the class token's logits."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.token = nn.Conv2d(1, 16, 8, 8), nn.Parameter(torch.randn(1, 1, 16) * 0.5)
        self.positions = nn.Parameter(torch.randn(1, 37, 16) * 0.5)
        self.n1, self.n2, self.norm = nn.LayerNorm(16), nn.LayerNorm(16), nn.LayerNorm(16)
        self.qkv, self.out, self.head = nn.Linear(16, 48), nn.Linear(16, 16), nn.Linear(16, CLASSES)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.positions
        q, k, v = self.qkv(self.n1(x)).chunk(3, -1)
        x = x + self.out(F.scaled_dot_product_attention(3 * q, k, v))
        x = x + self.mlp(self.n2(x))
        return self.head(self.norm(x)[:, 0])


class NonLocal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.theta, self.phi, self.g = nn.Conv2d(16, 8, 1), nn.Conv2d(16, 8, 1), nn.Conv2d(16, 8, 1)
        self.out = conv_bn(8, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        theta, phi, g = (layer(x).view(n, 8, -1) for layer in (self.theta, self.phi, self.g))
        weights = torch.softmax(torch.bmm(theta.transpose(1, 2), phi), -1)
        return x + self.out(torch.bmm(g, weights.transpose(1, 2)).view(n, 8, h, w))


class WindowAttention(nn.Module):
    """Swin's: the map is shifted and cut into windows, a view in six dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.bias = nn.Parameter(torch.randn(16, 16))

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        y = torch.roll(self.norm(x.permute(0, 2, 3, 1)), (-2, -2), (1, 2))
        y = y.view(n, 3, 4, 3, 4, 16).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 16)
        q, k, v = self.qkv(y).chunk(3, -1)
        y = self.out(torch.softmax(q @ k.transpose(-2, -1) * 0.25 + self.bias, -1) @ v)
        y = y.view(n, 3, 3, 4, 4, 16).permute(0, 1, 3, 2, 4, 5).reshape(n, 12, 12, 16)
        return x + torch.roll(y, (2, 2), (1, 2)).permute(0, 3, 1, 2)


class PooledTokens(nn.Module):
    """Tokens of a stem, attended and averaged over their one axis: a mean in three dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.attention = stem(), Tokens(scaled_query)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.attention(self.body(x)).flatten(2).transpose(1, 2)
        return self.head(self.norm(tokens).mean(1))


class FewLogitsFromTokens(nn.Module):
    """A convolution called twice, attention over 144 places and a hard-sigmoid head: drawn by the random networks.

    int8 as asked loses it, so biases are corrected, those of a linear layer over tokens among them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            conv_bn_relu(1, 8, stride=2),
            nn.Conv2d(8, 16, 3, 2, 1, bias=False),
            nn.Conv2d(16, 16, 3, padding=1),
        )
        self.norm = nn.BatchNorm2d(16)
        self.grouped = nn.Conv2d(16, 24, 3, 1, 1, groups=4, bias=False)
        self.mixed, self.gate, self.head = nn.Linear(24, 72), nn.Linear(24, 24), nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        again = self.first[2]
        x = torch.relu(again(torch.relu(self.norm(self.first(x)))))
        x = F.leaky_relu(self.grouped(x), 0.1)
        q, k, v = self.mixed(x.flatten(2).transpose(1, 2)).chunk(3, -1)
        mixed = torch.softmax((q * 0.2041) @ k.transpose(-2, -1), -1) @ v
        x = x + mixed.transpose(1, 2).reshape(-1, 24, 12, 12)
        return self.head(F.hardsigmoid(self.gate(x.mean((2, 3)))))


group = Group("Gates and attention")
group.part(
    "se_adaptive",
    "squeeze-and-excite: adaptive pool and 1 x 1 convolutions",
    lambda: SqueezeExcite(lambda x: F.adaptive_avg_pool2d(x, 1), False),
)
group.part(
    "se_mean",
    "squeeze-and-excite: mean((2, 3), keepdim=True)",
    lambda: SqueezeExcite(lambda x: x.mean((2, 3), keepdim=True), False),
)
group.part(
    "se_linear",
    "squeeze-and-excite: mean((-1, -2)), Linear layers, view",
    lambda: SqueezeExcite(lambda x: x.mean((-1, -2)), True),
)
group.part(
    "se_hard",
    "squeeze-and-excite with relu6(x + 3) / 6",
    lambda: SqueezeExcite(lambda x: x.mean((2, 3), keepdim=True), False, lambda x: F.relu6(x + 3.0) / 6.0),
)
group.part("se_expand", "squeeze-and-excite: view, expand_as", ExpandedGate)
group.part("eca", "efficient channel attention: Conv1d over channels", EfficientChannel)
group.part("cbam", "CBAM: mean and max over map and over channels", Cbam)
group.part("coordinate_attention", "coordinate attention: means over one axis", CoordinateAttention)
group.part(
    "split_attention", "a mean over the map of a five-dimensional tensor", SplitAttention, quick="onnx float"
)
group.part("selective_kernel", "SKNet: softmax over a stack of branches", SelectiveKernel)
group.part(
    "attention_scaled_query",
    "(q * d ** -0.5) @ k.T with LayerNorm",
    lambda: Tokens(scaled_query),
    quick="onnx w8a8-ptq",
)
group.part("attention_scaled_scores", "q @ k.T / sqrt(d) with LayerNorm", lambda: Tokens(scaled_scores))
group.part("attention_sdpa", "scaled_dot_product_attention", lambda: Tokens(F.scaled_dot_product_attention))
group.part("attention_einsum", "attention by einsum", lambda: Tokens(by_einsum))
group.part("attention_linear", "linear attention: softmax over both axes", lambda: Tokens(linear_attention))
group.part("multihead_attention", "nn.MultiheadAttention", MultiHead)
group.part("encoder_layer", "nn.TransformerEncoderLayer", EncoderLayer)
group.whole("vision_transformer", "a small vision transformer with a class token", VisionTransformer)
group.part("non_local", "non-local block: bmm of activations", NonLocal)
group.part(
    "window_attention",
    "Swin's shifted windows: roll, views in six dimensions",
    WindowAttention,
    refused={"coreml w8a8-ptq": "rank <= 5"},
)
group.whole("few_logits_from_tokens", "attention and a hard-sigmoid head, hard on int8", FewLogitsFromTokens)
group.whole("pooled_tokens", "attention and a mean over tokens, three dimensions", PooledTokens)
