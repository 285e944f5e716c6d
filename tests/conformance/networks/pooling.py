"""Pools of every kind, and resizing."""

# mypy: disable-error-code="no-any-return"
# torch types what a module returns as Any.

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conformance.blocks import conv_bn_relu
from conformance.registry import Group


class BlurPool(nn.Module):
    """A fixed depthwise kernel in a buffer behind a reflecting pad."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (line[:, None] * line / 16).repeat(16, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.kernel, stride=2, groups=x.shape[1])


class GeneralisedMean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x.clamp(min=1e-3).pow(self.p), 3, 2, 1).pow(1 / self.p)


class Pyramid(nn.Module):
    """YOLO's spatial pyramid: max-pools of three sizes side by side."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, *(F.max_pool2d(x, k, 1, k // 2) for k in (3, 5, 7))), 1)


class SkipWithResize(nn.Module):
    """U-Net's way down and up, the coarse map resized and set beside the fine one."""

    def __init__(self, mode: str, size: bool = False, **options: Any) -> None:
        super().__init__()
        self.down, self.up = conv_bn_relu(16, 16, stride=2), conv_bn_relu(32, 16)
        self.mode, self.size, self.options = mode, size, options

    def forward(self, x: Tensor) -> Tensor:
        y = self.down(x)
        where: dict[str, Any] = {"size": x.shape[2:]} if self.size else {"scale_factor": 2}
        return self.up(torch.cat((x, F.interpolate(y, mode=self.mode, **where, **self.options)), 1))


class Unpool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y, where = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(y, where, (2, 2))


group = Group("Pools and resizing")
group.layer("max_pool_padded", "max-pool with padding", lambda: nn.MaxPool2d(3, 2, 1))
group.layer(
    "max_pool_ceil",
    "max-pool with ceil_mode",
    lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    quick="coreml float",
)
group.layer(
    "max_pool_dilated",
    "max-pool, dilated",
    lambda: nn.MaxPool2d(3, 2, 1, dilation=2),
    refused={"coreml": "max_pool2d"},  # coremltools 9.0 has none
)
group.layer("max_pool_oblong", "max-pool 2 x 3 with stride 1 x 2", lambda: nn.MaxPool2d((2, 3), (1, 2)))
group.layer("avg_pool", "average pool with padding", lambda: nn.AvgPool2d(3, 2, 1))
group.layer(
    "avg_pool_ceil",
    "average pool with ceil_mode",
    lambda: nn.AvgPool2d(3, 2, ceil_mode=True),
    quick="onnx w8a8-ptq",
    # ONNX Runtime's integer kernel divides what lies over the edge by the whole window (onnxruntime 1.32.0).
    refused={"onnx w8a8-ptq": r"lowering onnx-w8a8-ptq leaves another network.*avg_pool2d"},
)
group.layer(
    "avg_pool_ceil_padded",
    "average pool with ceil_mode and padding",
    lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    refused={"onnx w8a8-ptq": r"lowering onnx-w8a8-ptq leaves another network.*avg_pool2d"},
)
group.layer(
    "avg_pool_exclude",
    "average pool, count_include_pad=False",
    lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
)
group.layer(
    "avg_pool_ceil_exclude",
    "average pool, ceil_mode and count_include_pad=False",
    lambda: nn.AvgPool2d(3, 2, 1, True, False),
)
group.layer("avg_pool_divisor", "average pool, divisor_override", lambda: nn.AvgPool2d(2, divisor_override=3))
group.layer(
    "adaptive_avg_dividing", "adaptive average pool to 4 x 4 of 12 x 12", lambda: nn.AdaptiveAvgPool2d(4)
)
group.layer("adaptive_avg_odd", "adaptive average pool to 5 x 5 of 12 x 12", lambda: nn.AdaptiveAvgPool2d(5))
group.layer("adaptive_avg_oblong", "adaptive average pool to 3 x 5", lambda: nn.AdaptiveAvgPool2d((3, 5)))
group.layer("adaptive_avg_grow", "adaptive average pool to a larger map", lambda: nn.AdaptiveAvgPool2d(16))
group.layer("adaptive_max", "adaptive max-pool to 6 x 6", lambda: nn.AdaptiveMaxPool2d(6))
group.layer("adaptive_max_odd", "adaptive max-pool to 5 x 5", lambda: nn.AdaptiveMaxPool2d(5))
group.part("lp_pool", "LPPool2d", lambda: nn.LPPool2d(2, 2))
group.part("blur_pool", "anti-aliased pool: reflecting pad, fixed kernel", BlurPool)
group.part("gem_pool", "generalised-mean pool: clamp, pow, mean, pow", GeneralisedMean)
group.part("pyramid_pool", "max-pools of three sizes, concatenated", Pyramid, 64)
group.part(
    "max_unpool",
    "max-pool with indices and its inverse",
    Unpool,
    refused={"coreml": "max_unpool2d", "litert": "MAX_POOL_2D does not say"},
)
group.function("min_pool", "minimum pool: -max_pool(-x)", lambda x: -F.max_pool2d(-x, 2))
group.part("resize_nearest", "skip with nearest resize", lambda: SkipWithResize("nearest"))
group.part(
    "resize_bilinear", "skip with bilinear resize", lambda: SkipWithResize("bilinear", align_corners=False)
)
group.part(
    "resize_corners",
    "skip with bilinear resize, align_corners",
    lambda: SkipWithResize("bilinear", align_corners=True),
)
group.part(
    "resize_bicubic",
    "skip with bicubic resize",
    lambda: SkipWithResize("bicubic", align_corners=False),
    refused={"coreml": "bicubic"},
)
group.part(
    "resize_to_size",
    "skip with a bilinear resize to the other's shape",
    lambda: SkipWithResize("bilinear", True, align_corners=False),
)
group.function("resize_odd", "nearest resize from 12 to 17", lambda x: F.interpolate(x, 17))
group.function(
    "resize_exact",
    "nearest-exact resize from 12 to 9",
    lambda x: F.interpolate(x, 9, mode="nearest-exact"),
    refused={"coreml": "nearest_exact"},
)
group.function("resize_down", "bilinear resize from 12 to 7", lambda x: F.interpolate(x, 7, mode="bilinear"))
group.function(
    "resize_antialias",
    "bilinear resize with antialias",
    lambda x: F.interpolate(x, 7, mode="bilinear", antialias=True),
    refused={"coreml": "bilinear2d_aa"},  # coremltools 9.0 leaves the antialiasing out
)
group.function("resize_area", "area resize from 12 to 5", lambda x: F.interpolate(x, 5, mode="area"))
