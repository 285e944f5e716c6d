"""Plans hold: simulated test sets of the planned size pass as often as was said, and half of it does not."""

from __future__ import annotations

import numpy as np
import pytest

from fer_deploy.measure.power import (
    drop_chance,
    images_for_drop_limit,
    images_for_flip_limit,
    images_per_class,
    smallest_drop,
)
from fer_deploy.measure.statistics import drop_shown, wilson_interval

_SETS = 3000
#: Three standard errors of a share of 0.9 over so many simulated test sets.
_NOISE = 3 * (0.9 * 0.1 / _SETS) ** 0.5


def simulated_drop(images: int, changed: float, budget: float) -> float:
    draw = np.random.default_rng(0)
    count = draw.binomial(images, changed, _SETS)
    lost = draw.binomial(count, 0.5)
    return float(
        np.mean([drop_shown(int(a), int(n - a), images, budget) for a, n in zip(lost, count, strict=True)])
    )


@pytest.mark.parametrize(("budget", "changed"), [(0.01, 0.02), (0.01, 0.05), (0.005, 0.01), (0.03, 0.08)])
def test_a_planned_drop_is_passed_as_often_as_was_said(budget: float, changed: float) -> None:
    images = images_for_drop_limit(budget, changed)
    assert images is not None
    assert simulated_drop(images, changed, budget) == pytest.approx(0.9, abs=_NOISE + 0.02)
    assert simulated_drop(images // 2, changed, budget) < 0.8
    assert drop_chance(images, changed, budget) == pytest.approx(
        simulated_drop(images, changed, budget), abs=_NOISE
    )
    assert smallest_drop(images, changed) == pytest.approx(budget, rel=0.02)


def test_without_a_changed_answer_the_interval_alone_counts() -> None:
    images = images_for_drop_limit(0.01, 0.0)
    assert images is not None
    assert drop_shown(0, 0, images, 0.01)
    assert not drop_shown(0, 0, images - 1, 0.01)


def test_planned_flips_are_passed_as_often_as_was_said() -> None:
    images = images_for_flip_limit(0.03, 0.02)
    assert images is not None
    flips = np.random.default_rng(0).binomial(images, 0.02, _SETS)
    shown = [wilson_interval(images - int(count), images).low >= 0.97 for count in flips]
    assert np.mean(shown) == pytest.approx(0.9, abs=_NOISE + 0.02)


def test_a_planned_worst_class_is_passed_as_often_as_was_said() -> None:
    images = images_per_class(0.05, 0.03, 7)
    assert images is not None
    draw = np.random.default_rng(0)

    def passing(each: int) -> float:
        count = draw.binomial(each, 0.03, (_SETS, 7))
        return float((2 * draw.binomial(count, 0.5) - count <= 0.05 * each + 1e-9).all(axis=1).mean())

    assert passing(images) > 0.9 - _NOISE
    assert passing(images // 2) < 0.9


def test_what_no_number_of_images_shows_is_none() -> None:
    assert images_for_drop_limit(0.0, 0.02) is None
    assert images_for_flip_limit(0.02, 0.02) is None
    assert images_for_flip_limit(0.0, 0.0) is None
    assert images_per_class(0.0, 0.02, 7) is None
