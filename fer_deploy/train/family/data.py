"""Both splits on the device, the order a training goes through one, and what students see beside clean faces.

That are corrupted faces and pictures of no face; a CUDA graph can hold all of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fer_deploy.data.corruptions import CORRUPTIONS
from fer_deploy.data.draws import uniform
from fer_deploy.data.fer2013 import FER2013_LABELS
from fer_deploy.data.fer2013_pairs import PairedFaces
from fer_deploy.errors import TrainingError
from fer_deploy.train.family.recipe import CorruptSpec


@dataclass(frozen=True)
class DeviceFaces:
    """:class:`PairedFaces` as tensors on one device.

    Attributes:
        pixels: uint8 (N, 1, H, W).
        distribution: float32 (N, 8), FER+ votes.
        valid: float32 (N, 1), 1 where the majority is an emotion.
        target: int64 (N,), FER+ majority.
        agreed: bool (N,).
        fer2013: int64 (N,).
        one_hot: float32 (N, 7), FER2013's label.
        no_face: float32 (N,), share of votes.
    """

    pixels: Tensor
    distribution: Tensor
    valid: Tensor
    target: Tensor
    agreed: Tensor
    fer2013: Tensor
    one_hot: Tensor
    no_face: Tensor

    def __len__(self) -> int:
        return len(self.pixels)


def on_device(faces: PairedFaces, device: torch.device) -> DeviceFaces:
    """Copy ``faces`` to ``device``."""
    fer2013 = torch.from_numpy(faces.fer2013)
    values = {
        "pixels": torch.from_numpy(faces.pixels),
        "distribution": torch.from_numpy(faces.distribution),
        "valid": torch.from_numpy(faces.valid).float()[:, None],
        "target": torch.from_numpy(faces.target),
        "agreed": torch.from_numpy(faces.agreed),
        "fer2013": fer2013,
        "one_hot": F.one_hot(fer2013, len(FER2013_LABELS)).float(),
        "no_face": torch.from_numpy(faces.no_face),
    }
    return DeviceFaces(**{name: value.to(device) for name, value in values.items()})


class Order:
    """Batches of indices, every image once an epoch, in a tensor that stays where it is.

    Attributes:
        index: int64 (B,), the batch; :meth:`advance` fills it anew.
        steps: batches an epoch; what is left over waits for another epoch's order.
        epoch: how many epochs are complete.
    """

    def __init__(self, count: int, batch_size: int, seed: int, device: torch.device) -> None:
        if count < batch_size:
            raise TrainingError(
                f"{count} images do not fill a batch of {batch_size}; choose a smaller batch_size"
            )
        self.count, self.steps, self.epoch = count, count // batch_size, 0
        self._generator = torch.Generator(device).manual_seed(seed)
        self._order = self._draw()
        self._at = 0
        self.index = self._order[:batch_size].clone()

    def _draw(self) -> Tensor:
        return torch.randperm(self.count, generator=self._generator, device=self._generator.device)

    def advance(self) -> None:
        """Fill :attr:`index` with the next batch."""
        size = len(self.index)
        self.index.copy_(self._order[self._at : self._at + size])
        self._at += size

    def ends_epoch(self) -> bool:
        """Return whether the epoch is complete; if so, the next one is begun in a new order."""
        if self._at + len(self.index) <= self.count:
            return False
        self._order, self._at = self._draw(), 0
        self.epoch += 1
        return True


def corrupt(
    pixels: Tensor, spec: CorruptSpec, probability: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Return ``pixels``, each image corrupted in one random way with ``probability``, rarely in two.

    Args:
        pixels: float32 (N, C, H, W) in 0..255.
        spec: kinds, strengths and how often.
        probability: scalar on the device of the pixels.
        generator: None draws from the device's own generator.
    """
    pixels = _corrupt_once(pixels, spec, probability, generator)
    return _corrupt_once(pixels, spec, probability * spec.again, generator)


def _corrupt_once(
    pixels: Tensor, spec: CorruptSpec, probability: Tensor, generator: torch.Generator | None
) -> Tensor:
    count, device = len(pixels), pixels.device
    chosen = uniform((count,), generator, device) < probability
    kind = uniform((count,), generator, device) * sum(one.weight for one in spec.kinds.values())
    answer, low = pixels, 0.0
    for name, one in spec.kinds.items():
        strength = one.mild + (one.severe - one.mild) * uniform((count,), generator, device)
        changed = CORRUPTIONS[name].apply(pixels, strength, generator)
        here = chosen & (kind >= low) & (kind < low + one.weight)
        answer = torch.where(here.view(-1, 1, 1, 1), changed, answer)
        low += one.weight
    return answer.clamp(0, 255)
