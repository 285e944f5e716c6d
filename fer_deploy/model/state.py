"""State dicts: reading weights from a file, executing nothing, and putting them into a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fer_deploy.errors import ModelError, first_line
from fer_deploy.safe_load import load_dict

if TYPE_CHECKING:
    from torch import Tensor, nn


def read_state(file: Path) -> dict[str, Tensor]:
    """Return the state dict in ``file``: safetensors, or what ``torch.save`` wrote.

    Raises:
        ModelError: the file is damaged or holds anything but names and tensors.
    """
    import safetensors
    import safetensors.torch
    import torch

    try:
        if file.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(file))
        state = load_dict(file)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"weights {file} cannot be read: {first_line(error)}") from None
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
        raise ModelError(f"weights {file} hold no state dict (names to tensors)")
    return state


def load_state(network: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    """Put ``state`` into ``network``; ``file`` names it in the ModelError when it does not fit."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise ModelError(f"weights {file} do not fit the architecture: {detail}") from None
