"""Random draws for whole batches, from an explicit generator or from the device's own."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform(shape: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Return float32 values uniform in 0..1, of ``shape``, on ``device``.

    Args:
        shape: of the answer.
        generator: its state decides, and the same state gives the same values on every device; None draws on
            ``device`` from its default generator, which is the one that a CUDA graph can hold.
        device: where the values are wanted.
    """
    if generator is None:
        return torch.rand(shape, device=device)
    return torch.rand(shape, generator=generator, device=generator.device).to(device)


def normal(shape: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Return float32 values of the standard normal distribution; arguments as in :func:`uniform`."""
    if generator is None:
        return torch.randn(shape, device=device)
    return torch.randn(shape, generator=generator, device=generator.device).to(device)
