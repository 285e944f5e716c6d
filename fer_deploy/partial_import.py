"""Importing a module without the rest of the package that it lies in, where the rest costs seconds and is not used."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def without_package(name: str) -> Iterator[None]:
    """Let modules below the package ``name`` be imported, while the block runs, without its own ``__init__``.

    Where the package is loaded already, nothing is done. What was imported so is forgotten by Python when the block
    ends, and goes on for those who hold it: who imports the package later gets it whole.
    """
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        yield
        return
    stand_in = ModuleType(name)
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            for loaded in [other for other in sys.modules if f"{other}.".startswith(f"{name}.")]:
                del sys.modules[loaded]


@contextmanager
def left_out(name: str) -> Iterator[None]:
    """Let the block's imports find no module ``name``, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how Python says that there is none
    try:
        yield
    finally:
        del sys.modules[name]
