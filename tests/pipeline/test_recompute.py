"""Which answers count as the same when a model is run again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.pipeline.recompute import TIE, differing


def differences(logits: NDArray[np.float32], before: NDArray[np.int64]) -> tuple[int, int]:
    """Return how many answers differ, and how many are the same by a tie only."""
    other, ties = differing(logits, before)
    return int(other.sum()), int(ties.sum())


LOGITS = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 5.0]], dtype=np.float32)


def test_the_same_answers_do_not_differ() -> None:
    assert differences(LOGITS, LOGITS.argmax(axis=1)) == (0, 0)


def test_another_answer_differs_unless_it_is_a_tie() -> None:
    before = np.array([1, 1, 2])
    assert differences(LOGITS, before) == (1, 0)
    close = LOGITS.copy()
    close[0, 1] = 4.0 * (1 - TIE / 2)
    assert differences(close, before) == (0, 1)
    close[0, 1] = 4.0 * (1 - TIE * 2)
    assert differences(close, before) == (1, 0)


def test_an_offset_of_all_logits_hides_nothing() -> None:
    assert differences(LOGITS + 1000, np.array([1, 1, 2])) == (1, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_not_finite_is_never_the_same(value: float) -> None:
    broken = LOGITS.copy()
    broken[1, 2] = value
    assert differences(broken, LOGITS.argmax(axis=1)) == (1, 0)


def test_answers_of_another_shape_all_differ() -> None:
    assert differences(LOGITS[:, :2], np.array([0, 1, 2])) == (3, 0)
    assert differences(LOGITS[:2], np.array([0, 1, 2])) == (3, 0)
