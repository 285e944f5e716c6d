"""coremltools, and as little of it as is used: the whole takes longer to import than a small network to convert."""

from __future__ import annotations

import importlib.metadata
from functools import cache
from typing import Any

from fer_deploy.partial_import import left_out, without_package
from fer_deploy.quiet import quiet

#: The newest scikit-learn that coremltools 9.0 converts from (``_deps/__init__.py``). It imports a newer one only to
#: say that it cannot use it; ExecuTorch brings such a one along.
_NEWEST_SKLEARN = (1, 5)


def coremltools() -> Any:
    """Return the package ``coremltools``, imported quietly."""
    with quiet():
        if _useless("scikit-learn", _NEWEST_SKLEARN):
            with left_out("sklearn"):
                import coremltools
        else:
            import coremltools
    return coremltools


@cache
def messages() -> tuple[Any, Any]:
    """Return the modules of protobuf messages ``MIL_pb2`` and ``Model_pb2``, imported without the converters.

    They are the classes that the whole package has, should it be imported before or later.
    """
    with quiet(), without_package("coremltools"):
        from coremltools.proto import MIL_pb2, Model_pb2
    return MIL_pb2, Model_pb2


def _useless(distribution: str, newest: tuple[int, int]) -> bool:
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    release = [part for part in version.split(".")[:2] if part.isdigit()]
    return tuple(int(part) for part in release) > newest
