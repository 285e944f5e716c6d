"""Checkpoints from which a run goes on as if it had never stopped."""

from __future__ import annotations

import io
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fer_deploy.errors import TrainingError
from fer_deploy.files import write_atomic
from fer_deploy.safe_load import load_dict


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors, numbers, strings, lists, dicts) atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(path, buffer.getvalue())


def load_checkpoint(
    path: Path, recipe_json: str, same: Callable[[Any, str], bool] = operator.eq
) -> dict[str, Any] | None:
    """Return the state at ``path``, or None when there is none yet.

    Args:
        path: the file.
        recipe_json: the recipe of the run that wants to go on.
        same: whether the stored recipe is that one.

    Raises:
        TrainingError: the file is damaged, or belongs to another recipe.
    """
    if not path.exists():
        return None
    try:
        state = load_dict(path)
    except ValueError as error:
        raise TrainingError(f"checkpoint {path} is damaged ({error}); delete it to start again") from None
    if not same(state.get("recipe"), recipe_json):
        raise TrainingError(
            f"checkpoint {path} belongs to another recipe; use another --work-dir or delete it to start again"
        )
    return state
