"""Writes a published layer table down as operators, keeping track of channels and map size."""

from __future__ import annotations

from fer_deploy.quantize.costs import GraphCosts, Kind, Op


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
