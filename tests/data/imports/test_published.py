"""The published counts, and what is said where a copy differs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fer_deploy.data.fer2013 import FER2013_LABELS, FILE_NAME, SPLITS
from fer_deploy.data.imports.published import (
    BOTH_TESTS,
    FER2013_COUNTS,
    PUBLISHED_AGREEMENT,
    agreement,
    fer2013_differences,
    merged_counts,
    split_counts,
)
from fer_deploy.data.imports.rows import ImportedRows, rows_without_votes


def of_counts(drop: int = 0) -> ImportedRows:
    """Rows with the published counts, black, less the first ``drop``."""
    emotion, usage = list[int](), []
    for split in SPLITS:
        for label, count in enumerate(FER2013_COUNTS[split]):
            emotion += [label] * count
            usage += [split] * count
    emotion, usage = emotion[drop:], usage[drop:]
    count = len(emotion)
    names = [""] * count
    return rows_without_votes(bytes(48 * 48 * count), emotion, usage, names, [True] * count, numbered=True)


def test_the_sums_are_those_of_the_challenge() -> None:
    assert {split: sum(counts) for split, counts in FER2013_COUNTS.items()} == {
        "Training": 28_709,
        "PublicTest": 3_589,
        "PrivateTest": 3_589,
    }
    assert sum(merged_counts()) == 7_178


def test_the_real_file_is_as_published(fer_data: Path) -> None:
    with np.load(fer_data / FILE_NAME) as archive:
        emotion, usage, votes = (archive[key] for key in ("emotion", "usage", "ferplus_votes"))
    rows = dataclasses.replace(of_counts(), emotion=emotion, usage=usage, votes=votes)
    assert fer2013_differences(rows) == []
    assert agreement(rows)[0] == pytest.approx(PUBLISHED_AGREEMENT, abs=0.0005)
    shuffled = np.random.default_rng(0).permutation(votes)
    (said,) = fer2013_differences(dataclasses.replace(rows, votes=shuffled))
    assert said.startswith("FER+'s majority is the original label on 17.")
    assert said.endswith("do not belong together")


def test_a_missing_image_is_told_by_class() -> None:
    assert fer2013_differences(of_counts()) == []
    assert fer2013_differences(of_counts(drop=1)) == [
        "Training has 28,708 images, published are 28,709: angry 3,994 instead of 3,995"
    ]


def test_merged_tests_are_held_to_their_sum() -> None:
    rows = of_counts()
    merged = np.where(rows.usage == "Training", "Training", "PrivateTest")
    rows = dataclasses.replace(rows, usage=merged, merged=True)
    assert fer2013_differences(rows) == []
    (said,) = fer2013_differences(dataclasses.replace(rows, emotion=rows.emotion.clip(max=5)))[1:]
    assert said.startswith(
        f"{BOTH_TESTS} has 7,178 images, published are 7,178: surprise 2,064 instead of 831"
    )


def test_counts_by_split() -> None:
    counts = split_counts(of_counts())
    assert counts == FER2013_COUNTS
    assert all(len(one) == len(FER2013_LABELS) for one in counts.values())
    assert agreement(of_counts()) == (0.0, 0)
