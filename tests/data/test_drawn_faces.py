"""Faces drawn by code, for tests that want faces where there are no photographs: seeded, and told apart by eye."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.data.drawn_faces import EXPRESSIONS, draw_face


@pytest.mark.parametrize("name", list(EXPRESSIONS))
def test_a_face_is_the_same_from_the_same_seed(name: str) -> None:
    first, again, other = (
        draw_face(EXPRESSIONS[name], 48, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert first.shape == (48, 48)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5, "another person"


def test_expressions_of_one_head_differ_where_the_mouth_is() -> None:
    def mean_face(name: str) -> NDArray[np.float64]:
        faces = [draw_face(EXPRESSIONS[name], 48, np.random.default_rng(seed)) for seed in range(24)]
        mean: NDArray[np.float64] = np.stack(faces).mean(axis=0)
        return mean

    difference = np.abs(mean_face("surprise") - mean_face("neutral"))
    mouth, forehead = difference[30:44, 16:32].mean(), difference[2:8, 16:32].mean()
    assert mouth > 3 * forehead
