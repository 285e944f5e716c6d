"""Layer tables of the MobileNetV2 family. Those of fer_* are our reconstruction: the paper's is not public."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from fer_deploy.zoo.mobilenet import Layout, Stage

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
#: The stem's stride moved to the last stage: every map between them has twice the side, from the same parameters.
_FER_S_STEM1 = dataclasses.replace(
    _FER_S,
    stem_stride=1,
    stages=(*_FER_S.stages[:-1], dataclasses.replace(_FER_S.stages[-1], stride=2)),
)
_FER_XS = Layout(
    stem_channels=24,
    stem_stride=2,
    stages=(Stage(1, 16, 1, 1), Stage(4, 32, 2, 2), Stage(4, 56, 3, 2)),
    head_channels=192,
)

#: EfficientNet-Lite0 (Tan & Le, ICML 2019, Table 1; Lite: google's tpu/models/official/efficientnet/lite):
#: no squeeze-and-excite, ReLU6 for swish. Stem, third and fourth row keep their stride: a total of 8 for 32.
_EFFICIENTNET_LITE0 = Layout(
    stem_channels=32,
    stem_stride=2,
    stages=(
        Stage(1, 16, 1, 1),
        Stage(6, 24, 2, 2),
        Stage(6, 40, 2, 2, kernel=5),
        Stage(6, 80, 3, 1),
        Stage(6, 112, 3, 1, kernel=5),
        Stage(6, 192, 4, 1, kernel=5),
        Stage(6, 320, 1, 1),
    ),
    head_channels=1280,
)

#: The same with every stride but the stem's as published: ImageNet's weights find the maps they were trained on, those
#: of a face twice as large. A teacher, not a model to ship.
_EFFICIENTNET_LITE0_STEM1 = dataclasses.replace(
    _EFFICIENTNET_LITE0,
    stem_stride=1,
    stages=tuple(
        dataclasses.replace(stage, stride=stride)
        for stage, stride in zip(_EFFICIENTNET_LITE0.stages, (1, 2, 2, 2, 1, 2, 1), strict=True)
    ),
)

#: Name to layer table.
LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "mobilenet_v2": _MOBILENET_V2,
        "fer_m": _FER_M,
        "fer_s": _FER_S,
        "fer_s_stem1": _FER_S_STEM1,
        "fer_xs": _FER_XS,
        "efficientnet_lite0": _EFFICIENTNET_LITE0,
        "efficientnet_lite0_stem1": _EFFICIENTNET_LITE0_STEM1,
    }
)
