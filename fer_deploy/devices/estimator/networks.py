"""Published networks by the names that measurements use."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from fer_deploy.devices.estimator import published_classic as classic
from fer_deploy.devices.estimator import published_mobile as mobile
from fer_deploy.quantize.costs import GraphCosts

#: Full name to layer table and to the name of its architecture: what is left out together in validation.
_FIXED: Mapping[str, tuple[Callable[[int], GraphCosts], str]] = MappingProxyType(
    {
        "mobilenet": (lambda px: mobile.mobilenet_v1(1.0, px), "mobilenet_v1_1.0"),
        "mobilenet_v2": (lambda px: mobile.mobilenet_v2(1.0, px), "mobilenet_v2_1.0"),
        "mobilenet_v3": (mobile.mobilenet_v3_ncnn, "mobilenet_v3"),
        "mnasnet": (mobile.mnasnet_ncnn, "mnasnet_1.0"),
        "proxylessnasnet": (mobile.proxylessnas_ncnn, "proxylessnasnet"),
        "efficientnet_b0": (mobile.efficientnet_b0, "efficientnet_b0"),
        "efficientnetv2_b0": (mobile.efficientnet_v2_b0, "efficientnetv2_b0"),
        # ncnn times the network at its own 128 px, whatever size the list of measurements repeats
        "blazeface": (lambda _px: mobile.blazeface(128), "blazeface"),
        "resnet18": (classic.resnet18, "resnet18"),
        "resnet50": (classic.resnet50, "resnet50"),
        "googlenet": (classic.googlenet, "googlenet"),
        "squeezenet": (classic.squeezenet_v11, "squeezenet"),
        "shufflenet": (classic.shufflenet_v1, "shufflenet"),
        "shufflenet_v2": (classic.shufflenet_v2, "shufflenet_v2"),
        "regnety_400m": (classic.regnety_400m, "regnety_400m"),
        "alexnet": (classic.alexnet, "alexnet"),
        "vgg16": (classic.vgg16, "vgg16"),
        "mobilenet_v3_large_minimalistic": (
            lambda px: mobile.mobilenet_v3_large(1.0, px, True),
            "mobilenet_v3_large_minimalistic",
        ),
        "mobilenet_v3_small_minimalistic": (
            lambda px: mobile.mobilenet_v3_small(1.0, px, True),
            "mobilenet_v3_small_minimalistic",
        ),
    }
)
#: Names that end in a width multiplier; every width is an architecture of its own.
_WIDTHS: Mapping[str, Callable[[float, int], GraphCosts]] = MappingProxyType(
    {
        "mobilenet_v1": mobile.mobilenet_v1,
        "mobilenet_v2": mobile.mobilenet_v2,
        "mobilenet_v3_large": mobile.mobilenet_v3_large,
        "mobilenet_v3_small": mobile.mobilenet_v3_small,
        "mnasnet": mobile.mnasnet_b1,
    }
)


def _parsed(name: str) -> tuple[Callable[[int], GraphCosts], str] | None:
    name = name.removesuffix("_int8")
    if name in _FIXED:
        return _FIXED[name]
    if match := re.fullmatch(r"(\w+?)_(\d(?:\.\d+)?)", name):
        base, width = match[1], float(match[2])
        if base in _WIDTHS and 0.1 <= width <= 2.0:
            return functools.partial(_WIDTHS[base], width), f"{base}_{width}"
    if match := re.fullmatch(r"efficientnet_lite([0-4])", name):
        return functools.partial(mobile.efficientnet_lite, int(match[1])), name
    return None


@functools.cache
def network(name: str, px: int) -> GraphCosts | None:
    """Return the operators of a published network at ``px`` x ``px``, or None when its table is not here.

    A suffix ``_int8`` is the same network: precision is a condition of a measurement.
    """
    parsed = _parsed(name)
    return parsed[0](px) if parsed else None


def architecture(name: str) -> str | None:
    """Return the architecture behind a name: aliases and int8 versions share one."""
    parsed = _parsed(name)
    return parsed[1] if parsed else None
