"""Reading what ``torch.save`` wrote without ever running code that hides in it."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any


def load_dict(path: Path) -> dict[str, Any]:
    """Return the dict of tensors and plain values that ``torch.save`` wrote, on the CPU.

    Raises:
        ValueError: the file is damaged, no dict, or holds other objects; the message is a clause that says which.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it guesses at pickle protocols before it gives up
            value: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # torch's own message advises to load with code execution; ours must not.
        raise ValueError("it is not torch.save's, or holds Python objects, which are never loaded") from None
    except Exception as error:  # on bytes that are no pickle: IndexError, KeyError, struct.error, ...
        said = str(error).strip().splitlines()
        clause = said[0].split(". ")[0] if said else "it ends too early"
        raise ValueError(f"{type(error).__name__}, {clause}") from None
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__}, not a dict")
    return value
