"""Limits on the test images themselves."""

from __future__ import annotations

from typing import Any

import pytest

from fer_deploy.data.account import Account
from fer_deploy.frozen import Unknown
from fer_deploy.gate.budget import Budget
from fer_deploy.gate.figures import Expected
from fer_deploy.gate.judge import verdicts
from fer_deploy.gate.verdicts import Outcome, Verdict
from fer_deploy.report.schema import Report


def _with(report: Report, account: Account | None) -> Report:
    return report.model_copy(update={"dataset": report.dataset.model_copy(update={"account": account})})


def _judge(report: Report, **limits: Any) -> dict[str, Verdict]:
    found = verdicts(report, Budget.model_validate(limits), Expected(), {})
    return {one.figure: one for one in found}


ACCOUNT = Account(
    images=700, passed_over={"hidden": 1, "named .txt": 2}, repeated=4, two_labels=5, in_training=6
)


@pytest.mark.parametrize(
    ("key", "figure", "count"),
    [
        ("max_passed_over", "passed over", 3),
        ("max_repeated_images", "repeated images", 4),
        ("max_images_with_two_labels", "images with two labels", 5),
        ("max_images_in_training", "images in training", 6),
    ],
)
def test_a_count_is_held_to_its_limit(plain_report: Report, key: str, figure: str, count: int) -> None:
    report = _with(plain_report, ACCOUNT)
    good = _judge(report, **{key: count})[figure]
    assert (good.outcome, good.subject) == (Outcome.PASS, "test set")
    bad = _judge(report, **{key: count - 1})[figure]
    assert bad.outcome is Outcome.FAIL
    assert bad.message == f"{count} is not at most {count - 1} images"
    assert figure not in _judge(report), "no limit, no verdict"


def test_what_nobody_counted_never_passes(plain_report: Report) -> None:
    old = _judge(_with(plain_report, None), max_images_in_training=1000)["images in training"]
    assert old.outcome is Outcome.NOT_MEASURED
    assert "run again" in old.message
    account = ACCOUNT.model_copy(update={"in_training": Unknown(reason="there is no train")})
    unknown = _judge(_with(plain_report, account), max_images_in_training=1000)["images in training"]
    assert (unknown.outcome, unknown.message) == (Outcome.NOT_MEASURED, "there is no train")


def test_the_account_stands_in_the_verdict_on_the_test_set(plain_report: Report) -> None:
    said = _judge(_with(plain_report, ACCOUNT))["test set"].message
    assert said.endswith(
        "700 images read; passed over: 1 hidden, 2 named .txt; 4 repeat an earlier one, 5 under two labels, "
        "6 in the training split too"
    )
