"""Layer tables of published networks built of dense, grouped and parallel convolutions."""

from __future__ import annotations

from fer_deploy.devices.estimator.builder import Builder
from fer_deploy.quantize.costs import GraphCosts

_CLASSES = 1000


def resnet18(px: int) -> GraphCosts:
    """He et al. 2015, arXiv:1512.03385, table 1, 18 layers."""
    net = Builder("resnet18", px).conv(64, 7, 2).pool(3, 2)
    for out, first in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first, 1):
            channels, size = net.channels, net.size
            if stride == 2 or channels != out:
                net.conv(out, 1, stride).at(channels, size)
            net.conv(out, 3, stride).conv(out, 3).elementwise(2)
    return net.global_pool().linear(_CLASSES).done()


def resnet50(px: int) -> GraphCosts:
    """He et al. 2015, arXiv:1512.03385, table 1, 50 layers, the stride in a block's first convolution."""
    net = Builder("resnet50", px).conv(64, 7, 2).pool(3, 2)
    for width, blocks, first in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for index in range(blocks):
            stride = first if index == 0 else 1
            channels, size = net.channels, net.size
            if index == 0:
                net.conv(4 * width, 1, stride).at(channels, size)
            net.conv(width, 1, stride).conv(width, 3).conv(4 * width).elementwise(2)
    return net.global_pool().linear(_CLASSES).done()


def googlenet(px: int) -> GraphCosts:
    """Szegedy et al. 2014, arXiv:1409.4842, table 1, without its auxiliary heads."""
    net = Builder("googlenet", px).conv(64, 7, 2).pool(3, 2).elementwise(1)
    net.conv(64).conv(192, 3).elementwise(1).pool(3, 2)
    blocks: tuple[tuple[int, ...] | None, ...] = (
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
        None,
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
        None,
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    )
    for block in blocks:
        if block is None:
            net.pool(3, 2)
            continue
        one, reduce3, three, reduce5, five, pooled = block
        channels, size = net.channels, net.size
        net.conv(one)
        net.at(channels, size).conv(reduce3).conv(three, 3)
        net.at(channels, size).conv(reduce5).conv(five, 5)
        net.at(channels, size).pool(3, 1).conv(pooled)
        net.at(one + three + five + pooled, size).elementwise()
    return net.global_pool().linear(_CLASSES).done()


def squeezenet_v11(px: int) -> GraphCosts:
    """Iandola et al. 2016, arXiv:1602.07360, version 1.1 (forresti/SqueezeNet)."""
    net = Builder("squeezenet", px).conv(64, 3, 2).pool(3, 2)
    for index, (squeeze, expand) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    ):
        if index in (2, 4):
            net.pool(3, 2)
        net.conv(squeeze).conv(expand)
        net.at(squeeze, net.size).conv(expand, 3)
        net.at(2 * expand, net.size).elementwise()
    return net.conv(_CLASSES).global_pool().done()


def shufflenet_v1(px: int) -> GraphCosts:
    """Zhang et al. 2017, arXiv:1707.01083, 1x with 3 groups; Tencent/ncnn benchmark/shufflenet.param."""
    net = Builder("shufflenet", px).conv(24, 3, 2).pool(3, 2)
    for stage, (out, repeat) in enumerate(((240, 4), (480, 8), (960, 4))):
        for index in range(repeat):
            stride = 2 if index == 0 else 1
            channels, size = net.channels, net.size
            if stride == 2:
                net.pool(3, 2).at(channels, size)
            branch = out - channels if stride == 2 else out
            first = stage == 0 and index == 0
            middle = 54 if first else out // 4 if stride == 1 else channels // 4
            net.conv(middle, 1, 1, 1 if first else 3)
            if not first:
                net.elementwise()
            net.depthwise(3, stride).conv(branch, 1, 1, 3)
            net.at(out, net.size).elementwise(1 if stride == 2 else 2).elementwise()
    return net.global_pool().linear(_CLASSES).done()


def shufflenet_v2(px: int) -> GraphCosts:
    """Ma et al. 2018, arXiv:1807.11164, table 5, 1x."""
    net = Builder("shufflenet_v2", px).conv(24, 3, 2).pool(3, 2)
    for out, repeat in ((116, 4), (232, 8), (464, 4)):
        half = out // 2
        for index in range(repeat):
            if index == 0:
                channels, size = net.channels, net.size
                net.depthwise(3, 2).conv(half).at(channels, size)
                net.conv(half).depthwise(3, 2).conv(half)
            else:
                net.at(half, net.size).elementwise(repeat=2)
                net.conv(half).depthwise(3).conv(half)
            net.at(out, net.size).elementwise(repeat=2)
    return net.conv(1024).global_pool().linear(_CLASSES).done()


def regnety_400m(px: int) -> GraphCosts:
    """Radosavovic et al. 2020, arXiv:2003.13678; Tencent/ncnn benchmark/regnety_400m.param (8 per group)."""
    net = Builder("regnety_400m", px).conv(32, 3, 2)
    for out, blocks in ((48, 1), (104, 3), (208, 6), (440, 6)):
        for index in range(blocks):
            stride = 2 if index == 0 else 1
            channels, size = net.channels, net.size
            if index == 0:
                net.conv(out, 1, 2).at(channels, size)
            net.conv(out).conv(out, 3, stride, out // 8)
            net.squeeze_excite(channels // 4).conv(out).elementwise(2).elementwise()
    return net.global_pool().linear(_CLASSES).done()


def alexnet(px: int) -> GraphCosts:
    """Krizhevsky et al. 2012, the grouped Caffe version."""
    net = Builder("alexnet", px).conv(96, 11, 4).elementwise().pool(3, 2)
    net.conv(256, 5, 1, 2).elementwise().pool(3, 2).conv(384, 3).conv(384, 3, 1, 2).conv(256, 3, 1, 2)
    net.pool(3, 2).at(256, 6)
    return net.linear(4096).linear(4096).linear(_CLASSES).done()


def vgg16(px: int) -> GraphCosts:
    """Simonyan and Zisserman 2014, arXiv:1409.1556, configuration D."""
    net = Builder("vgg16", px)
    for out, repeat in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeat):
            net.conv(out, 3)
        net.pool(2, 2)
    return net.linear(4096).linear(4096).linear(_CLASSES).done()
