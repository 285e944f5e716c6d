"""A plan says of every line of a budget how many images it needs, or that it is not about images."""

from __future__ import annotations

import pytest

from fer_deploy.errors import ConfigError
from fer_deploy.gate.plan import CHANGED, power_plan
from fer_deploy.measure.power import images_for_drop_limit, images_for_flip_limit, images_per_class
from fer_deploy.report.schema import Report
from fixtures.budgets import budget_of, limits_of


def test_every_line_is_planned_or_named(plain_report: Report) -> None:
    budget = budget_of(
        max_accuracy_drop=1.0,
        max_worst_class_drop=5.0,
        max_size_kb=3,
        artifacts={"onnx-*": limits_of(max_flips=3.0), "x": limits_of(max_flips=False)},
    )
    plan = power_plan(budget, 0.9, 7, plain_report)
    assert [(one.line, one.counts) for one in plan.limits] == [
        ("[budget] max_accuracy_drop = 1", "test images"),
        ("[budget] max_worst_class_drop = 5", "images of each class"),
        ('[budget.artifacts."onnx-*"] max_flips = 3', "test images"),
    ]
    assert plan.not_planned == ("[budget] max_size_kb = 3",)
    assert plan.there_are == {"test images": 700, "images of each class": 42}
    worst = min(one.parity.agreement.value or 1.0 for one in plain_report.artifacts)
    assert plan.seen == pytest.approx(1 - worst)
    assert plan.changed[:-1] == CHANGED
    for index, share in enumerate(plan.changed):
        assert plan.limits[0].images[index] == images_for_drop_limit(0.01, share, 0.9)
        assert plan.limits[1].images[index] == images_per_class(0.05, share, 7, 0.9)
        assert plan.limits[2].images[index] == images_for_flip_limit(0.03, share, 0.9)
    assert plan.limits[2].images[CHANGED.index(0.05)] is None, "5 % flips are never shown to be at most 3 %"


def test_more_chance_needs_more_images() -> None:
    needed = [
        power_plan(budget_of(max_accuracy_drop=1.0), chance, 7).limits[0].images
        for chance in (0.8, 0.9, 0.99)
    ]
    for few, more, most in zip(*needed, strict=True):
        assert few is not None
        assert more is not None
        assert most is not None
        assert few < more < most


def test_a_budget_without_images_cannot_be_planned() -> None:
    with pytest.raises(ConfigError, match=r"nothing to plan.*--max-accuracy-drop"):
        power_plan(budget_of(max_size_kb=3), 0.9, 7)
