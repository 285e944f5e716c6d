"""Pictures of no face: made of faces, and those of FER2013 that FER+'s annotators voted so.

A detector's false alarms look like these: a part of a face, something smooth, something striped.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fer_deploy.contract import InputSpec
from fer_deploy.data.draws import uniform
from fer_deploy.data.faces import data_root
from fer_deploy.data.fer2013 import FILE_NAME, Split, leaked_twins, read_table, require_votes, to_spec
from fer_deploy.data.ferplus import ferplus_majority

#: Kinds of non-faces, each a quarter of them.
_KINDS = 4
#: Blocks along a side of a shuffled picture: large enough to hold an eye, too small for a face.
_BLOCKS = 4
#: How much of the side a corner keeps, from and to: hair, background, an ear.
_CORNER = (0.2, 0.35)
#: Side of the grid of smooth blobs.
_BLOB_SIDE = 5


def voted_no_face(
    split: Split, spec: InputSpec, path: Path | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images of a split that most annotators called "unknown" or "not a face".

    Returns:
        uint8 (N, C, H, W), and their rows in the file, int64 (N,).

    Raises:
        DataError: the file is missing, is not FER2013's, or holds no votes.
    """
    table = read_table(path or data_root() / FILE_NAME)
    require_votes(table, path or FILE_NAME)
    _, emotion = ferplus_majority(table.votes)
    keep = (table.usage == split) & ~emotion & (table.votes.sum(axis=1) > 0)
    if split == "Training":
        keep &= ~leaked_twins(table.images, table.usage)
    return to_spec(table.images[keep], spec), np.flatnonzero(keep).astype(np.int64)


def made_no_face(pixels: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.uint8]:
    """Return ``count`` pictures made of faces, as :func:`non_faces` makes them, uint8 (count, C, H, W).

    Args:
        pixels: faces, uint8 (N, C, H, W), of any size; N at least ``count``.
        count: a multiple of 4.
        seed: chooses the faces and what is drawn.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(pixels), generator=generator)[:count]
    height, width = (side // _BLOCKS * _BLOCKS for side in pixels.shape[2:])
    made = non_faces(torch.from_numpy(pixels)[chosen, :, :height, :width].float(), count, generator)
    whole = F.pad(made, (0, pixels.shape[3] - width, 0, pixels.shape[2] - height), mode="replicate")
    answer: NDArray[np.uint8] = whole.round().byte().numpy()
    return answer


def non_faces(pixels: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """Return ``count`` pictures of no face, float32 (count, C, H, W) in 0..255.

    A quarter each: faces with their blocks shuffled, corners of faces much enlarged, smooth blobs, and stripes.

    Args:
        pixels: faces in random order, float32 (N, C, H, W) in 0..255, N at least half of ``count``, H and W
            multiples of 4.
        count: a multiple of 4.
        generator: None draws from the device's own generator.
    """
    part = count // _KINDS
    made = torch.cat(
        [
            _shuffled(pixels[:part], generator),
            _corners(pixels[part : 2 * part], generator),
            _blobs(pixels[:part], generator),
            _stripes(pixels[:part], generator),
        ]
    )
    return made.clamp(0, 255)


def _shuffled(pixels: Tensor, generator: torch.Generator | None) -> Tensor:
    count, channels, height, width = pixels.shape
    tall, wide = height // _BLOCKS, width // _BLOCKS
    blocks = pixels.reshape(count, channels, _BLOCKS, tall, _BLOCKS, wide).permute(0, 2, 4, 1, 3, 5)
    blocks = blocks.reshape(count, _BLOCKS**2, channels * tall * wide)
    order = uniform((count, _BLOCKS**2), generator, pixels.device).argsort(1)
    blocks = blocks.gather(1, order[:, :, None].expand_as(blocks))
    blocks = blocks.view(count, _BLOCKS, _BLOCKS, channels, tall, wide).permute(0, 3, 1, 4, 2, 5)
    return blocks.reshape(count, channels, height, width)


def _corners(pixels: Tensor, generator: torch.Generator | None) -> Tensor:
    count, device = len(pixels), pixels.device
    draw = uniform((count, 3), generator, device)
    side = _CORNER[0] + (_CORNER[1] - _CORNER[0]) * draw[:, 0]
    across, down = (((draw[:, axis] < 0.5).float() * 2 - 1) * (1 - side) for axis in (1, 2))
    nothing = torch.zeros_like(side)
    theta = torch.stack([torch.stack([side, nothing, across], 1), torch.stack([nothing, side, down], 1)], 1)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _blobs(pixels: Tensor, generator: torch.Generator | None) -> Tensor:
    count, channels, height, width = pixels.shape
    small = uniform((count, 1, _BLOB_SIDE, _BLOB_SIDE), generator, pixels.device) * 255
    return F.interpolate(small, [height, width], mode="bicubic", align_corners=False).expand(
        -1, channels, -1, -1
    )


def _stripes(pixels: Tensor, generator: torch.Generator | None) -> Tensor:
    """Gratings of random direction, width (3 to 48 px), contrast and noise: textures, walls, gradients."""
    count, channels, height, width = pixels.shape
    device = pixels.device
    draw = uniform((count, 6), generator, device).view(count, 6, 1, 1)
    angle, phase = draw[:, 0] * math.pi, draw[:, 1] * 2 * math.pi
    # Uniform in the exponent: as many coarse gratings as fine ones.
    turns = 2 * math.pi / (3 * 16 ** draw[:, 2])
    y = torch.arange(height, device=device, dtype=torch.float32).view(1, -1, 1)
    x = torch.arange(width, device=device, dtype=torch.float32).view(1, 1, -1)
    wave = torch.sin((x * torch.cos(angle) + y * torch.sin(angle)) * turns + phase)
    grain = uniform((count, height, width), generator, device) - 0.5
    grey = 255 * draw[:, 3] + 100 * draw[:, 4] * wave + 150 * draw[:, 5] * grain
    return grey[:, None].expand(-1, channels, -1, -1)
