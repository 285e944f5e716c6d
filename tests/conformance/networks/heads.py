"""The way from the last map to the logits."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import CLASSES, conv_bn_relu, stem
from conformance.registry import Group


class Head(nn.Module):
    """A stem, a function from its map (N, 16, 12, 12) to features, a Linear layer and maybe something behind it."""

    def __init__(
        self,
        pool: Callable[[Tensor], Tensor],
        width: int = 16,
        last: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.body, self.pool, self.head, self.last = stem(), pool, nn.Linear(width, CLASSES), last

    def forward(self, x: Tensor) -> Tensor:
        logits = self.head(self.pool(self.body(x)))
        return logits if self.last is None else self.last(logits)


def mean(x: Tensor) -> Tensor:
    return x.mean((2, 3))


class ConvHead(nn.Module):
    """A convolution to the classes, ``pool`` to logits."""

    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.head, self.pool = stem(), nn.Conv2d(16, CLASSES, 1), pool

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.head(self.body(x)))


class ConvOfMean(nn.Module):
    """The mean, then a 1 x 1 convolution in the place of a Linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = stem(), nn.Conv2d(16, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean([2, 3], keepdim=True)).squeeze(-1).squeeze(-1)


class Cosine(nn.Module):
    """Cosines between the normalised features and normalised weights, as ArcFace has it."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.feature = stem(), nn.Linear(16, 16)
        self.weight = nn.Parameter(torch.randn(CLASSES, 16))

    def forward(self, x: Tensor) -> Tensor:
        feature = self.feature(self.body(x).mean((2, 3)))
        return 16 * F.linear(F.normalize(feature), F.normalize(self.weight))


class TwoExits(nn.Module):
    """The logits of two depths, averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.more = stem(), conv_bn_relu(16, 16)
        self.early, self.late = nn.Linear(16, CLASSES), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return (self.early(y.mean((2, 3))) + self.late(self.more(y).mean((2, 3)))) / 2


class Hidden(nn.Module):
    """AlexNet's and VGG's: two hidden layers with dropout between them."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.pool = stem(), nn.AdaptiveAvgPool2d(3)
        self.head = nn.Sequential(
            nn.Dropout(),
            nn.Linear(144, 32),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(32, 32),
            nn.ReLU(True),
            nn.Linear(32, CLASSES),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.pool(self.body(x)), 1))


class AttentionPool(nn.Module):
    """A softmax over the places weighs the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.score, self.head = stem(), nn.Conv2d(16, 1, 1), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        weights = torch.softmax(self.score(y).flatten(2), -1)
        return self.head((y.flatten(2) * weights).sum(-1))


group = Group("Heads")
group.whole("head_mean", "x.mean((2, 3)), then Linear", lambda: Head(mean), quick="onnx w8a8-ptq")
group.whole("head_mean_negative", "x.mean((-1, -2)), then Linear", lambda: Head(lambda x: x.mean((-1, -2))))
group.whole("head_mean_mixed", "x.mean((3, 2)), then Linear", lambda: Head(lambda x: x.mean((3, 2))))
group.whole("head_mean_twice", "x.mean(3).mean(2)", lambda: Head(lambda x: x.mean(3).mean(2)))
group.whole("head_mean_flat", "x.flatten(2).mean(2)", lambda: Head(lambda x: x.flatten(2).mean(2)))
group.whole(
    "head_mean_keep",
    "x.mean((2, 3), keepdim=True).flatten(1)",
    lambda: Head(lambda x: x.mean((2, 3), keepdim=True).flatten(1)),
)
group.whole(
    "head_mean_rows",
    "x.mean(2), all columns into the Linear layer",
    lambda: Head(lambda x: x.mean(2).flatten(1), 192),
)
group.whole(
    "head_mean_last",
    "channels last, mean over (1, 2)",
    lambda: Head(lambda x: x.permute(0, 2, 3, 1).mean((1, 2))),
)
group.whole(
    "head_avg_pool", "F.avg_pool2d over the whole map", lambda: Head(lambda x: F.avg_pool2d(x, 12).flatten(1))
)
group.whole(
    "head_squeeze",
    "adaptive pool and squeeze",
    lambda: Head(lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(3).squeeze(2)),
)
group.whole("head_sum", "x.sum((2, 3))", lambda: Head(lambda x: x.sum((2, 3))))
group.whole("head_amax", "x.amax((2, 3))", lambda: Head(lambda x: x.amax((2, 3))))
group.whole(
    "head_adaptive_max", "adaptive max-pool", lambda: Head(lambda x: F.adaptive_max_pool2d(x, 1).flatten(1))
)
group.whole("head_max_max", "x.max(3)[0].max(2)[0]", lambda: Head(lambda x: x.max(3)[0].max(2)[0]))
group.whole(
    "head_mean_and_max",
    "mean and max, concatenated",
    lambda: Head(lambda x: torch.cat((x.mean((2, 3)), x.amax((2, 3))), 1), 32),
)
group.whole(
    "head_mean_and_std",
    "mean and standard deviation, concatenated",
    lambda: Head(lambda x: torch.cat((x.mean((2, 3)), x.std((2, 3))), 1), 32),
)
group.whole("head_norm", "x.norm over the map", lambda: Head(lambda x: x.flatten(2).norm(dim=2)))
group.whole(
    "head_conv",
    "convolution to the classes, adaptive pool",
    lambda: ConvHead(lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1)),
)
group.whole(
    "head_conv_mean", "convolution to the classes, mean((2, 3)): no Linear layer", lambda: ConvHead(mean)
)
group.whole(
    "head_conv_sum",
    "convolution to the classes, view, sum(-1)",
    lambda: ConvHead(lambda x: x.view(x.size(0), CLASSES, -1).sum(-1)),
)
group.whole("head_conv_of_mean", "mean with keepdim, 1 x 1 convolution, squeeze", ConvOfMean)
group.whole(
    "head_softmax", "softmax behind the logits", lambda: Head(mean, last=lambda x: torch.softmax(x, 1))
)
group.whole(
    "head_log_softmax",
    "log_softmax behind the logits",
    lambda: Head(mean, last=lambda x: F.log_softmax(x, dim=-1)),
)
group.whole("head_temperature", "logits / 0.07", lambda: Head(mean, last=lambda x: x / 0.07))
group.whole("head_tanh", "tanh behind the logits", lambda: Head(mean, last=torch.tanh))
group.whole("head_clamped", "clamp behind the logits", lambda: Head(mean, last=lambda x: x.clamp(-1, 1)))
group.whole(
    "head_permuted", "logits brought into another order", lambda: Head(mean, last=lambda x: x.flip(1))
)
group.whole("head_cosine", "normalised features and weights: ArcFace", Cosine)
group.whole("head_two_exits", "logits of two depths, averaged", TwoExits)
group.whole("head_hidden", "hidden layers with dropout", Hidden)
group.whole("head_attention_pool", "mean weighed by a softmax over places", AttentionPool)
