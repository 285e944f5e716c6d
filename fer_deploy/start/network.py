"""What can be read from a network that has no contract yet: its channels, its size, and how many classes it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_deploy.errors import ModelError, first_line
from fer_deploy.files import sha256_of
from fer_deploy.model.definition import answer_remedy, described
from fer_deploy.model.foreign import read_program, weighted

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Network:
    """A network and what shows of its input.

    Attributes:
        source: what it was read from, for people.
        shape: of its input, [N, C, H, W]; None where it does not show or any size will do.
        weights_sha256: digest of its weights.
    """

    source: str
    module: nn.Module
    shape: tuple[int | None, ...]
    weights_sha256: str

    def classes(self, channels: int, height: int, width: int) -> int:
        """Return how many logits the network answers to an image of a size.

        Raises:
            ModelError: it does not take such an image, or answers something else than one row of logits.
        """
        import torch

        image = torch.zeros((self.shape[0] or 1, channels, height, width))
        try:
            with torch.inference_mode():
                logits = self.module(image)
        except Exception as error:  # any failure of foreign code on this input is the finding
            raise ModelError(
                f"model {self.source} does not take an image of {height} x {width} pixels in {channels} channel(s): "
                f"{first_line(error)}"
            ) from None
        shape = list(logits.shape) if isinstance(logits, torch.Tensor) else []
        if len(shape) != 2 or shape[0] != len(image) or shape[1] < 2:
            raise ModelError(
                f"model {self.source} answers {described(logits)} to {len(image)} image(s) where one row of "
                f"logits each, [{len(image)}, classes], is needed; {answer_remedy(logits, len(image))}"
            )
        return int(shape[1])


def read_exported(path: Path) -> Network:
    """Return the network in a ``.pt2`` file; ModelError as :func:`fer_deploy.model.foreign.read_program`."""
    program = read_program(path)
    return Network(str(path), program.network, program.shape, sha256_of(path))


def read_factory(reference: str, weights: Path | None) -> Network:
    """Return what ``package.module:factory`` makes; errors as :func:`fer_deploy.model.foreign.weighted`.

    Its channels are those of the first convolution in the order in which the module lists its parts.
    """
    import torch

    module, digest = weighted(reference, weights)
    found = (part.in_channels for part in module.modules() if isinstance(part, torch.nn.Conv2d))
    return Network(reference, module, (None, next(found, None), None, None), digest)
