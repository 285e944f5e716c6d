"""Layer tables of published mobile networks: inverted residuals with depthwise convolutions.

Each function returns the operators of one network; ``px`` is the side of the square RGB input. Tests compare
parameters and multiply-accumulates with the published ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from fer_deploy.devices.estimator.builder import Builder, divisible
from fer_deploy.quantize.costs import GraphCosts

_CLASSES = 1000


class ResidualRow(NamedTuple):
    """A row of the papers' tables: ``repeat`` inverted residuals, the first one with the stride."""

    expand: float
    out: int
    repeat: int
    stride: int
    kernel: int = 3
    squeeze: bool = False
    swish: bool = False


def _residual(
    net: Builder, hidden: int, out: int, kernel: int, stride: int, squeeze: int = 0, swish: bool = False
) -> None:
    """Append an inverted residual; ``squeeze`` is its squeeze-and-excitation's width, 0 for none."""
    skip = stride == 1 and net.channels == out
    if hidden != net.channels:
        net.conv(hidden)
        if swish:
            net.elementwise()
    net.depthwise(kernel, stride)
    if swish:
        net.elementwise()
    if squeeze:
        net.squeeze_excite(squeeze, activation=swish)
    net.conv(out)
    if skip:
        net.elementwise(2)


def _tail(net: Builder, head: int, swish: bool = False) -> GraphCosts:
    net.conv(head)
    if swish:
        net.elementwise()
    return net.global_pool().linear(_CLASSES).done()


def mobilenet_v1(width: float, px: int) -> GraphCosts:
    """Howard et al. 2017, arXiv:1704.04861, table 1."""
    net = Builder(f"mobilenet_v1_{width}", px).conv(divisible(32 * width), 3, 2)
    for out, stride in (
        *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
        *((512, 1),) * 5,
        *((1024, 2), (1024, 1)),
    ):
        net.depthwise(3, stride).conv(divisible(out * width))
    return net.global_pool().linear(_CLASSES).done()


_V2 = (
    ResidualRow(1, 16, 1, 1),
    ResidualRow(6, 24, 2, 2),
    ResidualRow(6, 32, 3, 2),
    ResidualRow(6, 64, 4, 2),
    ResidualRow(6, 96, 3, 1),
    ResidualRow(6, 160, 3, 2),
    ResidualRow(6, 320, 1, 1),
)


def _rows(
    net: Builder, rows: Sequence[ResidualRow], width: float, excite: int = 0, swish: bool = False
) -> None:
    """Append all rows; ``excite``: squeeze-and-excitation to 1/excite of the block's input channels."""
    for row in rows:
        out = divisible(row.out * width)
        for index in range(row.repeat):
            squeeze = max(1, net.channels // excite) if excite else 0
            _residual(
                net,
                int(net.channels * row.expand),
                out,
                row.kernel,
                row.stride if index == 0 else 1,
                squeeze,
                swish,
            )


def mobilenet_v2(width: float, px: int) -> GraphCosts:
    """Sandler et al. 2018, arXiv:1801.04381, table 2; the head is not thinned below 1280."""
    net = Builder(f"mobilenet_v2_{width}", px).conv(divisible(32 * width), 3, 2)
    _rows(net, _V2, width)
    return _tail(net, divisible(1280 * max(1.0, width)))


class V3Row(NamedTuple):
    """A row of MobileNetV3's tables 1 and 2."""

    kernel: int
    hidden: int
    out: int
    squeeze: bool
    swish: bool
    stride: int


_V3_LARGE = (
    V3Row(3, 16, 16, False, False, 1),
    V3Row(3, 64, 24, False, False, 2),
    V3Row(3, 72, 24, False, False, 1),
    V3Row(5, 72, 40, True, False, 2),
    V3Row(5, 120, 40, True, False, 1),
    V3Row(5, 120, 40, True, False, 1),
    V3Row(3, 240, 80, False, True, 2),
    V3Row(3, 200, 80, False, True, 1),
    V3Row(3, 184, 80, False, True, 1),
    V3Row(3, 184, 80, False, True, 1),
    V3Row(3, 480, 112, True, True, 1),
    V3Row(3, 672, 112, True, True, 1),
    V3Row(5, 672, 160, True, True, 2),
    V3Row(5, 960, 160, True, True, 1),
    V3Row(5, 960, 160, True, True, 1),
)
_V3_SMALL = (
    V3Row(3, 16, 16, True, False, 2),
    V3Row(3, 72, 24, False, False, 2),
    V3Row(3, 88, 24, False, False, 1),
    V3Row(5, 96, 40, True, True, 2),
    V3Row(5, 240, 40, True, True, 1),
    V3Row(5, 240, 40, True, True, 1),
    V3Row(5, 120, 48, True, True, 1),
    V3Row(5, 144, 48, True, True, 1),
    V3Row(5, 288, 96, True, True, 2),
    V3Row(5, 576, 96, True, True, 1),
    V3Row(5, 576, 96, True, True, 1),
)
#: The draft's table as Tencent/ncnn benchmark/mobilenet_v3.param has it: 160 channels begin at stride 16.
_V3_NCNN = (
    *_V3_LARGE[:12],
    V3Row(5, 672, 160, True, True, 1),
    V3Row(5, 672, 160, True, True, 2),
    V3Row(5, 960, 160, True, True, 1),
)


def _mobilenet_v3(
    name: str, rows: Sequence[V3Row], last: int, head: int, width: float, px: int, minimalistic: bool = False
) -> GraphCosts:
    net = Builder(name, px).conv(divisible(16 * width), 3, 2)
    if not minimalistic:
        net.elementwise()
    for row in rows:
        hidden = divisible(row.hidden * width)
        _residual(
            net,
            hidden,
            divisible(row.out * width),
            3 if minimalistic else row.kernel,
            row.stride,
            divisible(hidden / 4) if row.squeeze and not minimalistic else 0,
            row.swish and not minimalistic,
        )
    net.conv(divisible(last * width))
    if not minimalistic:
        net.elementwise()
    net.global_pool().linear(divisible(head * max(1.0, width)))
    if not minimalistic:
        net.elementwise()
    return net.linear(_CLASSES).done()


def mobilenet_v3_large(width: float, px: int, minimalistic: bool = False) -> GraphCosts:
    """Howard et al. 2019, arXiv:1905.02244, table 1; minimalistic: 3x3 kernels, no squeeze, no h-swish."""
    name = f"mobilenet_v3_large_{'minimalistic' if minimalistic else width}"
    return _mobilenet_v3(name, _V3_LARGE, 960, 1280, width, px, minimalistic)


def mobilenet_v3_small(width: float, px: int, minimalistic: bool = False) -> GraphCosts:
    """Howard et al. 2019, arXiv:1905.02244, table 2."""
    name = f"mobilenet_v3_small_{'minimalistic' if minimalistic else width}"
    return _mobilenet_v3(name, _V3_SMALL, 576, 1024, width, px, minimalistic)


def mobilenet_v3_ncnn(px: int) -> GraphCosts:
    """The variant that ncnn's benchmark times: Tencent/ncnn benchmark/mobilenet_v3.param."""
    return _mobilenet_v3("mobilenet_v3", _V3_NCNN, 960, 1280, 1.0, px)


_MNASNET_B1 = (
    ResidualRow(1, 16, 1, 1),
    ResidualRow(3, 24, 3, 2),
    ResidualRow(3, 40, 3, 2, 5),
    ResidualRow(6, 80, 3, 2, 5),
    ResidualRow(6, 96, 2, 1),
    ResidualRow(6, 192, 4, 2, 5),
    ResidualRow(6, 320, 1, 1),
)


def mnasnet_b1(width: float, px: int) -> GraphCosts:
    """Tan et al. 2018, arXiv:1807.11626, the variant without squeeze-and-excitation."""
    net = Builder(f"mnasnet_{width}", px).conv(divisible(32 * width), 3, 2)
    _rows(net, _MNASNET_B1, width)
    return _tail(net, 1280)


def mnasnet_ncnn(px: int) -> GraphCosts:
    """Tencent/ncnn benchmark/mnasnet.param: B1 whose stride-2 blocks at 40 and 24 channels are as in the file."""
    net = Builder("mnasnet", px).conv(32, 3, 2)
    for hidden, out, kernel, stride in (
        *((32, 16, 3, 1), (48, 24, 3, 2), (72, 24, 3, 1), (72, 24, 3, 1)),
        *((72, 40, 5, 2), (120, 40, 5, 1), (120, 40, 5, 1)),
        *((240, 80, 5, 2), (480, 80, 5, 1), (480, 80, 5, 1), (480, 96, 3, 1), (576, 96, 3, 1)),
        *((576, 192, 5, 2), (1152, 192, 5, 1), (1152, 192, 5, 1), (1152, 192, 5, 1), (1152, 320, 3, 1)),
    ):
        _residual(net, hidden, out, kernel, stride)
    return _tail(net, 1280)


def proxylessnas_ncnn(px: int) -> GraphCosts:
    """Cai et al. 2018, arXiv:1812.00332, as in Tencent/ncnn benchmark/proxylessnasnet.param."""
    net = Builder("proxylessnasnet", px).conv(32, 3, 2)
    for hidden, out, kernel, stride in (
        *((32, 32, 3, 1), (48, 32, 5, 2), (96, 32, 3, 1)),
        *((96, 40, 7, 2), (120, 40, 3, 1), (120, 40, 5, 1), (120, 40, 5, 1)),
        *((240, 80, 7, 2), (240, 80, 5, 1), (240, 80, 5, 1), (240, 80, 5, 1)),
        *((480, 96, 5, 1), (288, 96, 5, 1), (288, 96, 5, 1), (288, 96, 5, 1)),
        *((576, 192, 7, 2), (1152, 192, 7, 1), (576, 192, 7, 1), (576, 192, 7, 1), (1152, 320, 7, 1)),
    ):
        _residual(net, hidden, out, kernel, stride)
    return _tail(net, 1280)


_EFFICIENTNET = (
    ResidualRow(1, 16, 1, 1),
    ResidualRow(6, 24, 2, 2),
    ResidualRow(6, 40, 2, 2, 5),
    ResidualRow(6, 80, 3, 2),
    ResidualRow(6, 112, 3, 1, 5),
    ResidualRow(6, 192, 4, 2, 5),
    ResidualRow(6, 320, 1, 1),
)


def efficientnet_b0(px: int) -> GraphCosts:
    """Tan and Le 2019, arXiv:1905.11946, table 1: squeeze-and-excitation to 1/4, swish."""
    net = Builder("efficientnet_b0", px).conv(32, 3, 2).elementwise()
    _rows(net, _EFFICIENTNET, 1.0, excite=4, swish=True)
    return _tail(net, 1280, swish=True)


#: Width and depth multipliers: tensorflow/tpu models/official/efficientnet/lite/efficientnet_lite_builder.py.
_LITE = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2), 3: (1.2, 1.4), 4: (1.4, 1.8)}


def efficientnet_lite(variant: int, px: int) -> GraphCosts:
    """EfficientNet-lite: no squeeze-and-excitation, ReLU6; stem, head, first and last row do not grow deeper."""
    width, depth = _LITE[variant]
    net = Builder(f"efficientnet_lite{variant}", px).conv(32, 3, 2)
    last = len(_EFFICIENTNET) - 1
    rows = [
        row._replace(repeat=row.repeat if index in (0, last) else math.ceil(row.repeat * depth))
        for index, row in enumerate(_EFFICIENTNET)
    ]
    _rows(net, rows, width)
    return _tail(net, 1280)


class FusedRow(NamedTuple):
    """EfficientNetV2: a dense kxk convolution and a pointwise one instead of three."""

    expand: int
    out: int
    repeat: int
    stride: int


def _efficientnet_v2(
    name: str, px: int, stem: int, fused: Sequence[FusedRow], rows: Sequence[ResidualRow], head: int
) -> GraphCosts:
    net = Builder(name, px).conv(stem, 3, 2).elementwise()
    for row in fused:
        for index in range(row.repeat):
            stride = row.stride if index == 0 else 1
            skip = stride == 1 and net.channels == row.out
            if row.expand == 1:
                net.conv(row.out, 3, stride).elementwise()
            else:
                net.conv(net.channels * row.expand, 3, stride).elementwise().conv(row.out)
            if skip:
                net.elementwise(2)
    _rows(net, rows, 1.0, excite=4, swish=True)
    return _tail(net, head, swish=True)


def efficientnet_v2_b0(px: int) -> GraphCosts:
    """Tan and Le 2021, arXiv:2104.00298, at width 1.0, depth 1.0; Tencent/ncnn benchmark/efficientnetv2_b0.param."""
    return _efficientnet_v2(
        "efficientnetv2_b0",
        px,
        32,
        (FusedRow(1, 16, 1, 1), FusedRow(4, 32, 2, 2), FusedRow(4, 48, 2, 2)),
        (ResidualRow(4, 96, 3, 2), ResidualRow(6, 112, 5, 1), ResidualRow(6, 192, 8, 2)),
        1280,
    )


def blazeface(px: int) -> GraphCosts:
    """Bazarevsky et al. 2019, arXiv:1907.05047, without its heads: Tencent/ncnn benchmark/blazeface.param."""
    net = Builder("blazeface", px).conv(24, 5, 2)
    for out, stride in (
        *((24, 1), (28, 1), (32, 2), (36, 1), (42, 1), (48, 2), (56, 1), (64, 1), (72, 1), (80, 1), (88, 1)),
        *((96, 2), (96, 1), (96, 1), (96, 1), (96, 1)),
    ):
        channels, size = net.channels, net.size
        net.depthwise(3, stride).conv(out)
        after = net.size
        if stride == 2:
            net.at(channels, size).elementwise().pool(2, 2).at(out, after)
        if out != channels:
            net.elementwise()  # the skip's channels are padded with zeros
        net.elementwise(2)
    return net.done()
