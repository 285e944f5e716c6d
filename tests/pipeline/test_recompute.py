"""Which answers count as the same when a model is run again."""

from __future__ import annotations

import numpy as np
import pytest

from fer_deploy.pipeline.recompute import TIE, differing

LOGITS = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 5.0]], dtype=np.float32)


def test_the_same_answers_do_not_differ() -> None:
    assert differing(LOGITS, LOGITS.argmax(axis=1)) == 0


def test_another_answer_differs_unless_it_is_a_tie() -> None:
    before = np.array([1, 1, 2])
    assert differing(LOGITS, before) == 1
    close = LOGITS.copy()
    close[0, 1] = 4.0 * (1 - TIE / 2)
    assert differing(close, before) == 0
    close[0, 1] = 4.0 * (1 - TIE * 2)
    assert differing(close, before) == 1


def test_an_offset_of_all_logits_hides_nothing() -> None:
    assert differing(LOGITS + 1000, np.array([1, 1, 2])) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_not_finite_is_never_the_same(value: float) -> None:
    broken = LOGITS.copy()
    broken[1, 2] = value
    assert differing(broken, LOGITS.argmax(axis=1)) == 1


def test_answers_of_another_shape_all_differ() -> None:
    assert differing(LOGITS[:, :2], np.array([0, 1, 2])) == 3
    assert differing(LOGITS[:2], np.array([0, 1, 2])) == 3
