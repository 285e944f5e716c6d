"""Writes published layer tables down as operators, layer by layer or in blocks, keeping track of channels and map size.

The blocks of :data:`BLOCKS` are those that papers count their tables in; each appends the operators of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from fer_deploy.quantize.costs import GraphCosts, Kind, Op

#: Squeeze-and-excitation narrows to a quarter: of a block's inputs (EfficientNet), of its inner channels (MobileNetV3).
Squeeze = Literal["inputs", "hidden"]


def divisible(value: float, divisor: int = 8) -> int:
    """Return a channel count rounded to a multiple of ``divisor``, never more than 10 % down.

    As in tensorflow/models research/slim/nets/mobilenet/conv_blocks.py, which all MobileNet descendants use.
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class Builder:
    """A network under construction: ``channels`` x ``size`` x ``size`` is the map that flows out so far.

    Convolutions are padded so that the map's side becomes ``ceil(size / stride)``, as all networks here do.
    """

    def __init__(self, name: str, size: int, channels: int = 3) -> None:
        self.name, self.size, self.channels = name, size, channels
        self._ops: list[Op] = []

    @property
    def elements(self) -> int:
        """Elements of the map that flows out."""
        return self.channels * self.size * self.size

    def conv(self, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Builder:
        """Append a convolution to ``out`` channels."""
        inputs = self.elements
        self.size = -(-self.size // stride)
        kind: Kind
        if groups == 1:
            kind = "pointwise" if kernel == 1 else "conv"
        else:
            kind = "depthwise" if groups == self.channels == out else "grouped"
        weights = out * (self.channels // groups) * kernel * kernel
        self.channels = out
        self._ops.append(
            Op(kind, weights * self.size * self.size, weights, inputs, self.elements, kernel, stride)
        )
        return self

    def depthwise(self, kernel: int, stride: int = 1) -> Builder:
        """Append a depthwise convolution."""
        return self.conv(self.channels, kernel, stride, groups=self.channels)

    def linear(self, out: int) -> Builder:
        """Append a fully connected layer over the whole map, which becomes ``out`` x 1 x 1."""
        inputs = self.elements
        self.channels, self.size = out, 1
        self._ops.append(Op("linear", inputs * out, inputs * out, inputs, out))
        return self

    def pool(self, kernel: int, stride: int) -> Builder:
        """Append a pooling of the map."""
        inputs = self.elements
        self.size = -(-self.size // stride)
        self._ops.append(Op("pool", 0, 0, inputs, self.elements, kernel, stride))
        return self

    def global_pool(self) -> Builder:
        """Append a pooling of the whole map to one position."""
        inputs = self.elements
        self.size = 1
        self._ops.append(Op("pool", 0, 0, inputs, self.channels))
        return self

    def elementwise(self, operands: int = 1, repeat: int = 1) -> Builder:
        """Append operators that read ``operands`` maps and write one: activations, additions, products."""
        self._ops.extend([Op("elementwise", 0, 0, operands * self.elements, self.elements)] * repeat)
        return self

    def squeeze_excite(self, reduced: int, activation: bool = False) -> Builder:
        """Append a squeeze-and-excitation of the map through ``reduced`` channels.

        ``activation``: the inner activation is an operator of its own, as swish is and ReLU is not.
        """
        size, channels = self.size, self.channels
        self.global_pool().linear(reduced)
        if activation:
            self.elementwise()
        self.linear(channels).elementwise()
        self.size = size
        return self.elementwise(2)

    def at(self, channels: int, size: int) -> Builder:
        """Go on from another map: the start of a parallel branch, or what a concatenation gives."""
        self.channels, self.size = channels, size
        return self

    def done(self) -> GraphCosts:
        """Return the finished network."""
        return GraphCosts(self.name, tuple(self._ops))


def _separable(net: Builder, out: int, stride: int) -> None:
    net.depthwise(3, stride).conv(out)


def _inverted(
    net: Builder,
    *,
    out: int,
    stride: int,
    kernel: int,
    repeat: int = 1,
    expand: int = 1,
    hidden: int | None = None,
    squeeze: Squeeze | None = None,
    swish: bool = False,
) -> None:
    """Append inverted residuals, the first one with the stride.

    ``hidden``: channels inside; without it they are ``expand`` times the inputs.
    ``swish``: the activation is an operator of its own, as ReLU is not.
    """
    for index in range(repeat):
        inputs, step = net.channels, stride if index == 0 else 1
        inner = inputs * expand if hidden is None else hidden
        if inner != inputs:
            net.conv(inner).elementwise(repeat=int(swish))
        net.depthwise(kernel, step).elementwise(repeat=int(swish))
        if squeeze is not None:
            reduced = max(1, inputs // 4) if squeeze == "inputs" else divisible(inner / 4)
            net.squeeze_excite(reduced, activation=swish)
        net.conv(out)
        if step == 1 and inputs == out:
            net.elementwise(2)


def _fused(net: Builder, *, expand: int, out: int, repeat: int, stride: int) -> None:
    """Append EfficientNetV2's blocks: a dense 3x3 convolution and a pointwise one instead of three."""
    for index in range(repeat):
        inputs, step = net.channels, stride if index == 0 else 1
        if expand == 1:
            net.conv(out, 3, step).elementwise()
        else:
            net.conv(inputs * expand, 3, step).elementwise().conv(out)
        if step == 1 and inputs == out:
            net.elementwise(2)


def _basic(net: Builder, out: int, blocks: int, stride: int) -> None:
    """Append ResNet's blocks of two 3x3 convolutions."""
    for step in (stride, *(1,) * (blocks - 1)):
        channels, size = net.channels, net.size
        if step == 2 or channels != out:
            net.conv(out, 1, step).at(channels, size)
        net.conv(out, 3, step).conv(out, 3).elementwise(2)


def _bottleneck(net: Builder, width: int, blocks: int, stride: int) -> None:
    """Append ResNet's blocks of three convolutions, the stride in the first of them."""
    for index in range(blocks):
        step = stride if index == 0 else 1
        channels, size = net.channels, net.size
        if index == 0:
            net.conv(4 * width, 1, step).at(channels, size)
        net.conv(width, 1, step).conv(width, 3).conv(4 * width).elementwise(2)


def _inception(
    net: Builder, one: int, reduce_three: int, three: int, reduce_five: int, five: int, pooled: int
) -> None:
    channels, size = net.channels, net.size
    net.conv(one)
    net.at(channels, size).conv(reduce_three).conv(three, 3)
    net.at(channels, size).conv(reduce_five).conv(five, 5)
    net.at(channels, size).pool(3, 1).conv(pooled)
    net.at(one + three + five + pooled, size).elementwise()


def _fire(net: Builder, squeeze: int, expand: int) -> None:
    net.conv(squeeze).conv(expand)
    net.at(squeeze, net.size).conv(expand, 3)
    net.at(2 * expand, net.size).elementwise()


def _shuffle(net: Builder, out: int, blocks: int, first: int | None = None) -> None:
    """Append ShuffleNet's units of 3 groups; ``first``: inner channels of a first one without groups and shuffle."""
    for index in range(blocks):
        stride, plain = 2 if index == 0 else 1, index == 0 and first is not None
        channels, size = net.channels, net.size
        if stride == 2:
            net.pool(3, 2).at(channels, size)
        inner = out // 4 if stride == 1 else channels // 4
        net.conv(first if plain and first is not None else inner, 1, 1, 1 if plain else 3)
        net.elementwise(repeat=int(not plain))
        net.depthwise(3, stride).conv(out - channels if stride == 2 else out, 1, 1, 3)
        net.at(out, net.size).elementwise(1 if stride == 2 else 2).elementwise()


def _shuffle_v2(net: Builder, out: int, blocks: int) -> None:
    half = out // 2
    for index in range(blocks):
        if index == 0:
            channels, size = net.channels, net.size
            net.depthwise(3, 2).conv(half).at(channels, size)
            net.conv(half).depthwise(3, 2).conv(half)
        else:
            net.at(half, net.size).elementwise(repeat=2)
            net.conv(half).depthwise(3).conv(half)
        net.at(out, net.size).elementwise(repeat=2)


def _regnet_y(net: Builder, out: int, blocks: int) -> None:
    """Append RegNetY's blocks, 8 channels to a group, the first one with stride 2."""
    for index in range(blocks):
        step = 2 if index == 0 else 1
        channels, size = net.channels, net.size
        if index == 0:
            net.conv(out, 1, 2).at(channels, size)
        net.conv(out).conv(out, 3, step, out // 8)
        net.squeeze_excite(channels // 4).conv(out).elementwise(2).elementwise()


def _blaze(net: Builder, out: int, stride: int) -> None:
    channels, size = net.channels, net.size
    net.depthwise(3, stride).conv(out)
    after = net.size
    if stride == 2:
        net.at(channels, size).elementwise().pool(2, 2).at(out, after)
    if out != channels:
        net.elementwise()  # the skip's channels are padded with zeros
    net.elementwise(2)


#: What a row of a table may be: a layer, or a block of several.
BLOCKS: Mapping[str, Callable[..., object]] = MappingProxyType(
    {
        "conv": Builder.conv,
        "linear": Builder.linear,
        "pool": Builder.pool,
        "global_pool": Builder.global_pool,
        "elementwise": Builder.elementwise,
        "at": Builder.at,
        "separable": _separable,
        "inverted": _inverted,
        "fused": _fused,
        "basic": _basic,
        "bottleneck": _bottleneck,
        "inception": _inception,
        "fire": _fire,
        "shuffle": _shuffle,
        "shuffle_v2": _shuffle_v2,
        "regnet_y": _regnet_y,
        "blaze": _blaze,
    }
)
