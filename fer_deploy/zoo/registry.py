"""The family by name. Layer tables are our reconstruction: the paper's exact table is not public."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from fer_deploy.errors import ModelError
from fer_deploy.zoo.mobilenetv2 import Layout, MobileNetV2, Stage, scaled

if TYPE_CHECKING:
    from torch import nn

#: Table 2 of Sandler et al. with a total stride of 8 instead of 32: stem, second and fourth row keep
#: theirs, the others have 1. The stem halves at once: rows that worked on 48 x 48 maps would be the
#: most expensive ones, in depthwise convolutions that are bound by memory.
_MOBILENET_V2 = Layout(
    stem_channels=32,
    stem_stride=2,
    stages=(
        Stage(1, 16, 1, 1),
        Stage(6, 24, 2, 2),
        Stage(6, 32, 3, 1),
        Stage(6, 64, 4, 2),
        Stage(6, 96, 3, 1),
        Stage(6, 160, 3, 1),
        Stage(6, 320, 1, 1),
    ),
    head_channels=1280,
)

#: Slimmed in depth (10 bottlenecks for 17), width and head; the widest rows of the original, which
#: hold two thirds of its parameters, are the ones a 6 x 6 map of a face profits from least.
_FER_M = Layout(
    stem_channels=32,
    stem_stride=2,
    stages=(Stage(1, 24, 1, 1), Stage(6, 40, 3, 2), Stage(6, 88, 4, 2), Stage(6, 128, 2, 1)),
    head_channels=448,
)
_FER_S = Layout(
    stem_channels=32,
    stem_stride=2,
    stages=(Stage(1, 24, 1, 1), Stage(4, 40, 3, 2), Stage(4, 80, 4, 2), Stage(4, 96, 2, 1)),
    head_channels=320,
)
_FER_XS = Layout(
    stem_channels=24,
    stem_stride=2,
    stages=(Stage(1, 16, 1, 1), Stage(4, 32, 2, 2), Stage(4, 56, 3, 2)),
    head_channels=192,
)

#: Architecture name to layer table.
ARCHITECTURES: Mapping[str, Layout] = MappingProxyType(
    {"mobilenet_v2": _MOBILENET_V2, "fer_m": _FER_M, "fer_s": _FER_S, "fer_xs": _FER_XS}
)


def build(name: str, num_classes: int, channels: int = 1, width: float = 1.0) -> nn.Module:
    """Return a freshly initialised network of the family.

    Args:
        name: a key of :data:`ARCHITECTURES`.
        num_classes: size of the logits.
        channels: 1 for grey, 3 for rgb input.
        width: multiplier on every channel count of the table.

    Any input size of at least 16 px works: the head pools whatever map is left.

    Raises:
        ModelError: unknown name, or a class count, channel count or width out of range.
    """
    if name not in ARCHITECTURES:
        raise ModelError(f"unknown architecture '{name}'; known: {', '.join(ARCHITECTURES)}")
    if num_classes < 2 or channels not in (1, 3) or not 0.1 <= width <= 4.0:
        raise ModelError(
            f"architecture '{name}' cannot have {num_classes} classes, {channels} channels, width {width}; "
            "it needs at least 2 classes, 1 or 3 channels and a width between 0.1 and 4"
        )
    layout = ARCHITECTURES[name]
    return MobileNetV2(layout if width == 1.0 else scaled(layout, width), num_classes, channels)
