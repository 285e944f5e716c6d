"""Published networks by the names that measurements use; their layer tables are ``data/published_networks.json``.

A table has its source and its rows: the name of a block of :data:`~.builder.BLOCKS` and its arguments. Of the numbers,
``"32w"`` is 32 channels times the network's width, rounded as :func:`~.builder.divisible` does, ``"1280w+"`` the same
but never fewer than 1280, and ``"2d"`` twice the network's depth, rounded up.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_deploy.devices.estimator.builder import BLOCKS, Builder, divisible
from fer_deploy.quantize.costs import GraphCosts

#: What the estimator ships: tables, rows and bands.
DATA = Path(__file__).resolve().parent / "data"
_SCALED = re.compile(r"(\d+)(w|w\+|d)")


@dataclass(frozen=True)
class _Named:
    """What a name stands for; what shares an ``architecture`` is left out together in validation.

    ``px`` is the only size at which a network is timed, whatever size a list of measurements repeats.
    """

    table: str
    architecture: str
    width: float = 1.0
    depth: float = 1.0
    px: int | None = None


@functools.cache
def _published() -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "published_networks.json").read_text(encoding="utf-8"))
    return found


def _parsed(name: str) -> _Named | None:
    name = name.removesuffix("_int8")
    named = _published()["names"].get(name)
    if named is not None:
        return _Named(**{"architecture": name, **named})
    if match := re.fullmatch(r"(\w+?)_(\d(?:\.\d+)?)", name):
        table, width = _published()["widths"].get(match[1]), float(match[2])
        if table is not None and 0.1 <= width <= 2.0:
            return _Named(table, f"{match[1]}_{width}", width)
    return None


def _scaled(value: Any, named: _Named) -> Any:
    """Return an argument of a row with the network's width or depth in it."""
    if isinstance(value, dict):
        return {key: _scaled(item, named) for key, item in value.items()}
    match = _SCALED.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    if match[2] == "d":
        return math.ceil(int(match[1]) * named.depth)
    width = named.width if match[2] == "w" else max(1.0, named.width)
    return divisible(int(match[1]) * width)


@functools.cache
def network(name: str, px: int) -> GraphCosts | None:
    """Return the operators of a published network at ``px`` x ``px``, or None when its table is not here.

    A suffix ``_int8`` is the same network: precision is a condition of a measurement.
    """
    named = _parsed(name)
    if named is None:
        return None
    net = Builder(named.architecture, named.px or px)
    for block, *arguments in _published()["tables"][named.table]["layers"]:
        scaled = [_scaled(argument, named) for argument in arguments]
        if scaled and isinstance(scaled[0], dict):
            BLOCKS[block](net, **scaled[0])
        else:
            BLOCKS[block](net, *scaled)
    return net.done()


def architecture(name: str) -> str | None:
    """Return the architecture behind a name: aliases and int8 versions share one."""
    named = _parsed(name)
    return named.architecture if named else None
