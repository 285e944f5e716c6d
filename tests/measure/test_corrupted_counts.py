"""What was counted once is counted the same again, from the flags alone."""

from __future__ import annotations

import numpy as np
import pytest

from fer_deploy.measure.corrupted_counts import KindOf, counted_again, counted_corrupted
from fer_deploy.measure.figures import CorruptedFigures

KINDS = [KindOf("fog", "held out", ("1 x", "2 x")), KindOf("gamma", "trained", ("1 y", "2 y", "3 y"))]


@pytest.mark.parametrize(("known", "compared"), [(True, True), (True, False), (False, True)])
def test_flags_give_the_figures_again(known: bool, compared: bool) -> None:
    draw = np.random.default_rng(0)
    right, same = (draw.random((6, 13)) < 0.7 for _ in range(2))
    figures = counted_corrupted(KINDS, right if known else None, same if compared else None, 13, 4)
    stored = CorruptedFigures.model_validate_json(figures.model_dump_json())
    assert counted_again(stored) == figures
    assert figures.accuracy.known is known
    assert (figures.agreement is not None) is compared
    if known:
        assert figures.accuracy.value == pytest.approx(right[1:].mean())
        assert figures.held_out.value == pytest.approx(right[1:3].mean())
        assert [one.value for one in figures.kinds[1].accuracies] == pytest.approx(
            right[3:].mean(axis=1).tolist()
        )


def test_flags_of_other_pictures_are_refused() -> None:
    figures = counted_corrupted(KINDS, np.ones((6, 13), bool), None, 13, 0)
    with pytest.raises(ValueError, match="flags are of about"):
        counted_again(figures.model_copy(update={"images": 20}))
