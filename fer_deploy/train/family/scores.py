"""How networks with both label sets answer PublicTest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from fer_deploy.contract import InputSpec
from fer_deploy.data.corruptions import CORRUPTIONS
from fer_deploy.data.fer2013_pairs import NO_FACE
from fer_deploy.data.ferplus import FERPLUS_LABELS
from fer_deploy.train.augment import normalised
from fer_deploy.train.family.data import DeviceFaces

#: Logits 0..7 are FER+'s, 8..14 FER2013's, 15 is "no face".
FERPLUS = slice(0, len(FERPLUS_LABELS))
FER2013 = slice(len(FERPLUS_LABELS), NO_FACE)
#: What the last evaluation looks at beside clean images: kind and severity.
_PROBES = (("gaussian_noise", 2), ("gaussian_blur", 3), ("downscale", 2))
#: Images that run at once: what fills a GPU, and what stays in a processor's cache.
_BATCH, _CPU_BATCH = 4096, 32

Forward = Callable[[Tensor], Tensor]


@torch.no_grad()
def answers(network: Forward, pixels: Tensor, spec: InputSpec) -> Tensor:
    """Return what ``network`` answers to pixels (N, C, H, W) in 0..255, float32 (N, K)."""
    parts, size = [], _CPU_BATCH if pixels.device.type == "cpu" else _BATCH
    with _no_search():
        for start in range(0, len(pixels), size):
            batch = normalised(pixels[start : start + size], spec)
            parts.append(network(batch.contiguous(memory_format=torch.channels_last)).float())
    return torch.cat(parts)


@contextlib.contextmanager
def _no_search() -> Iterator[None]:
    """Keep cuDNN from timing every algorithm on shapes that are seen a few times only."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def scores(answer: Tensor, faces: DeviceFaces) -> dict[str, float]:
    """Return accuracies, 0..1, of logits or probabilities (N, at least 15).

    "ferplus": of all images whose most-voted column is an emotion; "majority": of those of them that more than half of
    the votes agree on (the authors' majority mode); "fer2013": of all images. With a 16th logit "no_face_auroc": the
    probability that it is higher for an image voted unknown or not a face than for another one.
    """
    right = answer[:, FERPLUS].argmax(1) == faces.target
    valid = faces.valid[:, 0] > 0
    found = {
        "ferplus": right[valid].float().mean().item(),
        "majority": right[valid & faces.agreed].float().mean().item(),
        "fer2013": (answer[:, FER2013].argmax(1) == faces.fer2013).float().mean().item(),
    }
    if answer.shape[1] > NO_FACE:
        found["no_face_auroc"] = auroc(answer[:, NO_FACE], ~valid)
    return {name: round(value, 5) for name, value in found.items()}


def auroc(score: Tensor, positive: Tensor) -> float:
    """Return the area under the ROC curve; 0.5 where one of the two sides is empty. Ties count by their order."""
    ranks = torch.empty_like(score, dtype=torch.float64)
    ranks[score.argsort()] = torch.arange(1, len(score) + 1, dtype=torch.float64, device=score.device)
    ups = int(positive.sum())
    downs = len(score) - ups
    if ups == 0 or downs == 0:
        return 0.5
    return (ranks[positive].sum().item() - ups * (ups + 1) / 2) / (ups * downs)


def corrupted(pixels: Tensor) -> dict[str, Tensor]:
    """Return PublicTest's ``pixels`` under each probing corruption, by its name and severity, always the same."""
    made = {}
    for name, severity in _PROBES:
        generator = torch.Generator().manual_seed(0)
        made[f"{name}_{severity}"] = CORRUPTIONS[name](pixels.float(), severity, generator).byte()
    return made
