from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_deploy.errors import QuantizationError
from fer_deploy.quantize.recipe import choose_calibration
from fixtures.synthetic import separable_faces

FACES = separable_faces(60, 0, size=16)


@given(
    counts=st.lists(st.integers(0, 15), min_size=4, max_size=4), data=st.data(), seed=st.integers(0, 2**32)
)
def test_balanced_as_far_as_the_classes_allow(counts: list[int], data: st.DataObject, seed: int) -> None:
    picked = np.concatenate(
        [np.flatnonzero(FACES.targets == label)[:count] for label, count in enumerate(counts)]
    )
    if sum(count > 0 for count in counts) < 2:
        return
    training = FACES.subset(picked)
    size = data.draw(st.integers(1, len(training)))
    chosen = choose_calibration(training, size, seed)
    rows = chosen.faces.rows
    assert len(rows) == len(set(rows.tolist())) == size, "no image twice"
    assert set(rows.tolist()) <= set(training.rows.tolist())
    taken = list(chosen.per_class.values())
    assert sum(taken) == size
    for label, number in enumerate(taken):
        # a class has fewer than another's only when it gave all it has
        assert number == counts[label] or number >= max(taken) - 1
    assert np.array_equal(rows, choose_calibration(training, size, seed).faces.rows)


def test_seed_changes_the_draw() -> None:
    first, second = (choose_calibration(FACES, 20, seed).faces.rows for seed in (0, 1))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("size", [0, -1, 61])
def test_size_out_of_range(size: int) -> None:
    with pytest.raises(
        QuantizationError, match=f"calibration set of {size} images cannot be drawn from the 60"
    ):
        choose_calibration(FACES, size)


def test_one_class_only() -> None:
    with pytest.raises(QuantizationError, match="would see one class only"):
        choose_calibration(FACES.subset(FACES.targets == 1), 5)
