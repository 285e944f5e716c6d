"""How many images the published data sets hold, and in what a copy differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fer_deploy.data.fer2013 import FER2013_LABELS, SPLITS
from fer_deploy.data.ferplus import ferplus_majority
from fer_deploy.data.imports.rows import ImportedRows

#: Images per class of FER2013, in the order of its labels, as ../shared/data/README.md of this project hands them
#: down; the sums, 28,709, 3,589 and 3,589, are those of the ICML 2013 challenge (Goodfellow et al., arXiv 1307.0414).
FER2013_COUNTS: Mapping[str, tuple[int, ...]] = {
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}
BOTH_TESTS = "PublicTest and PrivateTest together"
#: Class of FER2013, by FER+'s ten columns; contempt, unknown and "not a face" have none.
_EMOTION_OF_COLUMN = np.array([6, 3, 5, 4, 0, 1, 2, -1, -1, -1])
#: Share of images on which FER+'s majority is the original label, measured on the whole of FER2013: 0.626. Shuffled
#: against each other they agree on 0.18.
PUBLISHED_AGREEMENT = 0.626
_LEAST_AGREEMENT = 0.4
#: Below so many images a share says little.
_ENOUGH = 100


def split_counts(rows: ImportedRows) -> dict[str, tuple[int, ...]]:
    """Return the number of images of each class, in the order of FER2013_LABELS, by split; 0 where there is none."""
    return {split: _counts(rows.emotion[rows.usage == split]) for split in SPLITS}


def differences(
    counts: Mapping[str, Sequence[int]], published: Mapping[str, Sequence[int]], labels: Sequence[str]
) -> list[str]:
    """Return one sentence per split whose counts are not the published ones, with every class that differs."""
    said = []
    for split, want in published.items():
        have = counts[split]
        classes = [
            f"{label} {found:,} instead of {wanted:,}"
            for label, found, wanted in zip(labels, have, want, strict=True)
            if found != wanted
        ]
        if classes:
            said.append(
                f"{split} has {sum(have):,} images, published are {sum(want):,}: {', '.join(classes)}"
            )
    return said


def fer2013_differences(rows: ImportedRows) -> list[str]:
    """Return in what the rows differ from what is published, a sentence each; empty when they do not."""
    counts = split_counts(rows)
    published = dict(FER2013_COUNTS)
    if rows.merged:
        published = {"Training": published["Training"], BOTH_TESTS: merged_counts()}
        counts = {"Training": counts["Training"], BOTH_TESTS: counts["PrivateTest"]}
    said = differences(counts, published, FER2013_LABELS)
    share, images = agreement(rows)
    if images >= _ENOUGH and share < _LEAST_AGREEMENT:
        said.append(
            f"FER+'s majority is the original label on {share:.1%} of {images:,} images, published is "
            f"{PUBLISHED_AGREEMENT:.1%}: the rows of the two files do not belong together"
        )
    return said


def merged_counts() -> tuple[int, ...]:
    """Return the images per class of PublicTest and PrivateTest together."""
    return tuple(map(sum, zip(FER2013_COUNTS["PublicTest"], FER2013_COUNTS["PrivateTest"], strict=True)))


def agreement(rows: ImportedRows) -> tuple[float, int]:
    """Return the share, 0..1, of images with votes whose FER+ majority is their label, and how many those are."""
    voted = (rows.votes > 0).any(axis=1)
    if not voted.any():
        return 0.0, 0
    majority, _ = ferplus_majority(rows.votes[voted])
    return float((_EMOTION_OF_COLUMN[majority] == rows.emotion[voted]).mean()), int(voted.sum())


def _counts(emotion: NDArray[np.uint8]) -> tuple[int, ...]:
    return tuple(np.bincount(emotion, minlength=len(FER2013_LABELS)).tolist())
