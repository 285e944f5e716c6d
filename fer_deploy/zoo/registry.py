"""Every architecture by its name, and the parameters it can be built with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import nn

from fer_deploy.errors import ModelError
from fer_deploy.zoo.layers import ACTIVATIONS, ActivationName
from fer_deploy.zoo.layouts import LAYOUTS
from fer_deploy.zoo.mini_xception import MiniXception
from fer_deploy.zoo.mobilenet import MobileNetV1, MobileNetV2, MobileNetV3Small, scaled
from fer_deploy.zoo.shufflenetv2 import ShuffleNetV2
from fer_deploy.zoo.squeezenet import SqueezeNet

#: Other mobile families, each from (num_classes, channels, width).
_PEERS: Mapping[str, Callable[[int, int, float], nn.Module]] = MappingProxyType(
    {
        "mobilenet_v1": MobileNetV1,
        "mobilenet_v3_small": MobileNetV3Small,
        "shufflenet_v2": ShuffleNetV2,
        "squeezenet": SqueezeNet,
        "mini_xception": MiniXception,
    }
)
#: Names that :func:`build` knows.
ARCHITECTURES: tuple[str, ...] = (*LAYOUTS, *_PEERS)


def build(
    name: str,
    num_classes: int,
    channels: int = 1,
    width: float = 1.0,
    depth: float = 1.0,
    expansion: int | None = None,
    activation: ActivationName = "relu6",
    stem_stride: int | None = None,
) -> nn.Module:
    """Return a freshly initialised network.

    Args:
        name: one of :data:`ARCHITECTURES`.
        num_classes: size of the logits.
        channels: 1 for grey, 3 for rgb input.
        width: multiplier on channel counts, 0.1 to 4.
        depth: multiplier on the repeats of every stage, 0.1 to 4; MobileNetV2 family only.
        expansion: of every bottleneck that expands, 1 to 8, None for the table's; MobileNetV2 family only.
        activation: of the MobileNetV2 family; the others have their own.
        stem_stride: of the first convolution, 1 or 2, None for the table's; MobileNetV2 family only. With 1 every map
            has twice the side: four times the multiply-accumulates, and the same parameters.

    Any input size of at least 16 px works: the head pools whatever map is left.

    Raises:
        ModelError: unknown name, a value out of range, or a parameter that the architecture does not have.
    """
    if name not in ARCHITECTURES:
        raise ModelError(f"unknown architecture '{name}'; known: {', '.join(ARCHITECTURES)}")
    if num_classes < 2 or channels not in (1, 3) or not 0.1 <= width <= 4.0:
        raise ModelError(
            f"architecture '{name}' cannot have {num_classes} classes, {channels} channels, width {width}; "
            "it needs at least 2 classes, 1 or 3 channels and a width between 0.1 and 4"
        )
    expands = expansion is None or 1 <= expansion <= 8
    strides = stem_stride in (None, 1, 2)
    if not 0.1 <= depth <= 4.0 or not expands or activation not in ACTIVATIONS or not strides:
        raise ModelError(
            f"architecture '{name}' cannot have depth {depth}, expansion {expansion}, activation {activation}, "
            f"stem_stride {stem_stride}; it needs a depth between 0.1 and 4, an expansion from 1 to 8, a stem_stride "
            f"of 1 or 2 and one of {', '.join(ACTIVATIONS)}"
        )
    if name in LAYOUTS:
        layout = scaled(LAYOUTS[name], width, depth, expansion, stem_stride)
        return MobileNetV2(layout, num_classes, channels, activation)
    if (depth, expansion, activation, stem_stride) != (1.0, None, "relu6", None):
        raise ModelError(
            f"architecture '{name}' has no depth, expansion, activation or stem_stride to choose; leave them out "
            f"or take one of {', '.join(LAYOUTS)}"
        )
    return _PEERS[name](num_classes, channels, width)
