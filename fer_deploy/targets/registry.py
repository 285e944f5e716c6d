"""Targets by name, each imported when it is asked for; others may be registered from outside."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from fer_deploy.errors import TargetError
from fer_deploy.names import meant
from fer_deploy.targets.base import Target
from fer_deploy.targets.options import TargetOptions

#: The first is what a study measures.
_TARGETS = {
    "executorch": "fer_deploy.targets.executorch:ExecuTorchTarget",
    "onnx": "fer_deploy.targets.onnx:OnnxTarget",
    "coreml": "fer_deploy.targets.coreml:CoreMLTarget",
    "litert": "fer_deploy.targets.litert:LiteRTTarget",
}
TARGET_NAMES = tuple(_TARGETS)
_registered: dict[str, type[Target]] = {}


def target_names() -> tuple[str, ...]:
    """Return the names of all targets: the shipped ones, then those registered from outside."""
    return (*TARGET_NAMES, *_registered)


def target_class(name: str) -> type[Target]:
    """Return the class of the target called ``name``.

    Raises:
        TargetError: there is none.
    """
    if name in _registered:
        return _registered[name]
    if name not in _TARGETS:
        raise TargetError(
            f"unknown target '{name}'{meant(name, target_names())}; known: {', '.join(target_names())}"
        )
    module, _, attribute = _TARGETS[name].partition(":")
    return cast("type[Target]", getattr(importlib.import_module(module), attribute))


def target_classes() -> tuple[type[Target], ...]:
    """Return the class of every target, in the order of :func:`target_names`."""
    return tuple(target_class(name) for name in target_names())


def default_target_names() -> tuple[str, ...]:
    """Return the names of the targets that are made where none is named: those whose runtime needs no extra."""
    return tuple(target.name for target in target_classes() if target.extra is None)


def get_target(name: str, options: TargetOptions | None = None) -> Target:
    """Return the target called ``name``.

    Args:
        name: one of :func:`target_names`.
        options: how to lower, of the target's own type; None for its defaults.

    Raises:
        TargetError: there is none.
    """
    make = cast("Callable[..., Target]", target_class(name))
    return make() if options is None else make(options)


def register(target: type[Target]) -> None:
    """Add a target from outside the package; from now on every command knows it.

    Its class has to be at the top of a module that other processes can import: artifacts are timed in fresh ones.

    Raises:
        TargetError: another target has its name.
    """
    if target.name in target_names() and _registered.get(target.name) is not target:
        raise TargetError(f"there is a target '{target.name}' already; call the new one something else")
    _registered[target.name] = target


def unregister(name: str) -> None:
    """Take a target that was registered from outside away again; one that was not is left as it is."""
    _registered.pop(name, None)


def outside_address(name: str) -> str | None:
    """Return ``module:class`` of a target that was registered from outside, for other processes; else None."""
    kind = _registered.get(name)
    return None if kind is None else f"{kind.__module__}:{kind.__qualname__}"
