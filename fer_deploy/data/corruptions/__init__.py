"""What spoils a picture on a phone: every kind defined once, with its source and three severities.

The list is ImageNet-C's (Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019) as far as it makes sense for a face of 48 px (frost, snow and spatter need photographs or
detail that 48 px do not hold; glass blur is an elastic shuffle of neighbours), and what happens between a camera and
a classifier of faces: pose, a detector's box that is turned, moved or too tight, occlusion, too few pixels. Severities
are those at which the shipped models still answer: ImageNet-C's are for 224 px, and half of them leave nothing here.

Lengths are pixels of a 48 px face, and grow with the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from fer_deploy.data.corruptions.geometry import crop, elastic, occlusion, pose, rotation, shift, zoom_blur
from fer_deploy.data.corruptions.picture import (
    brightness,
    contrast,
    darkness,
    defocus_blur,
    downscale,
    fog,
    gamma,
    gaussian_blur,
    gaussian_noise,
    impulse_noise,
    jpeg,
    motion_blur,
    pixelate,
    shot_noise,
    speckle_noise,
)

#: "trained": a training may use it; "augmented": the ordinary augmentation has a mild form of it; "held out": kept out
#: of every training, so that figures on it say what robustness to the unforeseen is.
Role = Literal["trained", "augmented", "held out"]
Apply = Callable[[Tensor, Tensor, torch.Generator | None], Tensor]
#: How many severities each kind has.
SEVERITIES = 3
_IMAGENET_C = "ImageNet-C"


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes:
        apply: from pixels float32 (N, C, H, W) in 0..255, strengths (N,) and a generator, to pixels of the same shape,
            not yet clipped. Those of role "trained" can be held by a CUDA graph.
        strengths: of the three severities, mild first, in ``unit``.
        unit: what a strength is.
        source: who defined it.
        role: whether a training may use it.
    """

    apply: Apply
    strengths: tuple[float, float, float]
    unit: str
    source: str
    role: Role

    def __call__(self, pixels: Tensor, severity: int, generator: torch.Generator) -> Tensor:
        """Return ``pixels``, float32 (N, C, H, W) in 0..255, at severity 1 to 3, as whole numbers in 0..255."""
        strength = torch.full((len(pixels),), self.strengths[severity - 1], device=pixels.device)
        return self.apply(pixels, strength, generator).round().clamp(0, 255)


_OURS = "ours"
CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "gaussian_noise": Corruption(gaussian_noise, (5, 10, 25), "sigma of 255", _IMAGENET_C, "trained"),
        "shot_noise": Corruption(shot_noise, (250, 100, 40), "photons at white", _IMAGENET_C, "held out"),
        "impulse_noise": Corruption(impulse_noise, (0.01, 0.03, 0.09), "share", _IMAGENET_C, "held out"),
        "speckle_noise": Corruption(speckle_noise, (0.06, 0.12, 0.2), "sigma of 1", _IMAGENET_C, "held out"),
        "gaussian_blur": Corruption(gaussian_blur, (1, 1.5, 2), "sigma, px", _IMAGENET_C, "trained"),
        "defocus_blur": Corruption(defocus_blur, (1.5, 2.2, 3), "radius, px", _IMAGENET_C, "held out"),
        "motion_blur": Corruption(motion_blur, (4, 7, 10), "length, px", _IMAGENET_C, "held out"),
        "zoom_blur": Corruption(zoom_blur, (0.1, 0.2, 0.3), "zoom less 1", _IMAGENET_C, "held out"),
        "downscale": Corruption(downscale, (32, 24, 20), "side, px", _OURS, "trained"),
        "pixelate": Corruption(pixelate, (24, 16, 12), "side, px", _IMAGENET_C, "held out"),
        "jpeg": Corruption(jpeg, (40, 15, 8), "quality", _IMAGENET_C, "held out"),
        "elastic": Corruption(elastic, (0.5, 1, 1.5), "sigma, px", _IMAGENET_C, "held out"),
        "darkness": Corruption(darkness, (0.5, 0.25, 0.15), "factor", _OURS, "trained"),
        "brightness": Corruption(brightness, (0.15, 0.25, 0.4), "of 255", _IMAGENET_C, "augmented"),
        "gamma": Corruption(gamma, (1.5, 2, 3), "exponent", _OURS, "trained"),
        "contrast": Corruption(contrast, (0.5, 0.3, 0.15), "factor", _IMAGENET_C, "trained"),
        "fog": Corruption(fog, (0.5, 1, 2), "clouds of 255", _IMAGENET_C, "held out"),
        "pose": Corruption(pose, (20, 35, 50), "degrees", _OURS, "held out"),
        "rotation": Corruption(rotation, (10, 20, 30), "degrees", _OURS, "augmented"),
        "shift": Corruption(shift, (0.06, 0.12, 0.18), "of the side", _OURS, "augmented"),
        "crop": Corruption(crop, (0.9, 0.8, 0.7), "of the side", _OURS, "augmented"),
        "occlusion": Corruption(occlusion, (10, 16, 22), "side, px", _OURS, "trained"),
    }
)
#: Names of the kinds that a training may use.
TRAINED: tuple[str, ...] = tuple(name for name, kind in CORRUPTIONS.items() if kind.role == "trained")
#: Names of the kinds that no training may use.
HELD_OUT: tuple[str, ...] = tuple(name for name, kind in CORRUPTIONS.items() if kind.role == "held out")
