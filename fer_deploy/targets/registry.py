"""Targets by name, each imported when it is asked for."""

from __future__ import annotations

import importlib

from fer_deploy.errors import TargetError
from fer_deploy.targets.base import Target

_TARGETS = {
    "executorch": "fer_deploy.targets.executorch:ExecuTorchTarget",
    "onnx": "fer_deploy.targets.onnx:OnnxTarget",
    "coreml": "fer_deploy.targets.coreml:CoreMLTarget",
}
TARGET_NAMES = tuple(_TARGETS)


def get_target(name: str, options: object | None = None) -> Target:
    """Return the target called ``name``.

    Args:
        name: one of :data:`TARGET_NAMES`.
        options: how to lower, of the type that the target's constructor takes; None for its defaults.

    Raises:
        TargetError: there is none.
    """
    if name not in _TARGETS:
        raise TargetError(f"unknown target '{name}'; known: {', '.join(TARGET_NAMES)}")
    module, _, attribute = _TARGETS[name].partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    target: Target = kind() if options is None else kind(options)
    return target
