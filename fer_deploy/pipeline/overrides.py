"""A configuration file with single values laid over it: by the flags of a command, by keywords in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_deploy.errors import ArgumentError
from fer_deploy.names import meant_or_known
from fer_deploy.pipeline.config import CONFIG_FILE, Config, load_config
from fer_deploy.targets.registry import target_classes

_OWN = (
    "model",
    "contract",
    "weights",
    "dataset",
    "data",
    "targets",
    "recipes",
    "output",
    "calibration_images",
    "devices",
    "results",
    "threads",
)


def overridden_config(path: str | os.PathLike[str] | None, **given: Any) -> Config:
    """Return the configuration file with the values that were given laid over it.

    Args:
        path: the file; None for fer-deploy.toml, if there is one.
        given: ``model``, ``contract``, ``weights``, ``dataset``, ``data``, ``targets``, ``recipes``, ``output``,
            ``calibration_images``, ``devices``, ``results``, ``threads``, and the targets' own options; None leaves the
            file's. A ``model`` replaces the file's whole ``[model]`` table: another model's contract or weights would
            be wrong.

    Raises:
        ArgumentError: there is no such value.
        ConfigError, TargetError: see :func:`fer_deploy.pipeline.config.load_config`.
    """
    own = {key: given.pop(key, None) for key in _OWN}
    threads = own["threads"]
    return load_config(
        path,
        {
            "model": {"path": _text(own["model"]), "contract": own["contract"], "weights": own["weights"]},
            "data": {"kind": own["dataset"], "path": own["data"]},
            "quantize": {"calibration_images": own["calibration_images"]},
            "export": {
                "targets": _several(own["targets"]),
                "recipes": _several(own["recipes"]),
                "output": own["output"],
                **_export_table(given),
            },
            "profile": {
                "devices": _several(own["devices"]),
                "results": _several(own["results"]),
                "timing": {"threads": threads} if threads is not None else None,
            },
        },
        replace=("model",) if own["model"] is not None else (),
    )


def optional_config(path: str | os.PathLike[str] | None, needed: bool) -> Config | None:
    """Return the configuration in ``path`` or fer-deploy.toml; None when it is not ``needed`` and there is no file.

    Raises:
        ConfigError: see :func:`fer_deploy.pipeline.config.load_config`.
    """
    if path is None and not needed and not Path(CONFIG_FILE).is_file():
        return None
    return load_config(path)


def _text(model: Any) -> Any:
    return os.fspath(model) if isinstance(model, os.PathLike) else model


def _several(value: Any) -> tuple[Any, ...] | None:
    """Return one name or several as a tuple; None for none."""
    return (value,) if isinstance(value, str) else tuple(value or ()) or None


def _export_table(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of ``[export]`` that the targets' own options make; ``given`` is their values by name."""
    known = {flag.option for target in target_classes() for flag in target.options_type.flags}
    if strangers := sorted(set(given) - known):
        told = meant_or_known(strangers[0], (*_OWN, *sorted(known)))
        raise ArgumentError(f"there is no value '{strangers[0]}' of a configuration; {told}")
    table: dict[str, Any] = {}
    for target in target_classes():
        own = {flag.option: given.get(flag.option) for flag in target.options_type.flags}
        table |= own if target.options_type.in_export else {target.name: own}
    return table
