"""The networks as ``conformance.factories:NAME``, the way the product is given a factory."""

from __future__ import annotations

from typing import Any

from conformance import registry

#: More factories by name, beside the list's.
DRAWN: dict[str, registry.Make] = {}


def __getattr__(name: str) -> Any:
    if name in DRAWN:
        return DRAWN[name]
    if name in registry.NETWORKS:
        return registry.NETWORKS[name].make
    raise AttributeError(name)
