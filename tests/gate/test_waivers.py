"""What waivers excuse, and those that name what there is not."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from fer_deploy.gate.budget import Waiver
from fer_deploy.gate.figures import Expected
from fer_deploy.gate.judge import verdicts
from fer_deploy.gate.verdicts import Verdict
from fer_deploy.gate.waivers import apply_waivers, stray_waivers
from fer_deploy.report.schema import Report
from fixtures.budgets import budget_of

TODAY = datetime.date(2026, 6, 1)
PIXEL = Expected(also_called={"pixel-8": ("pixel",)})


def waiver(**changed: Any) -> Waiver:
    return Waiver.model_validate({"figure": "p90 latency", "until": TODAY, "reason": "soon"} | changed)


def judged(report: Report) -> tuple[Verdict, ...]:
    return verdicts(report, budget_of(max_p90_ms=0.001), PIXEL, {})


@pytest.mark.parametrize("name", ["pixel", "pixel-8", "p*"])
def test_a_device_answers_to_all_its_names(plain_report: Report, name: str) -> None:
    found, notes = apply_waivers(judged(plain_report), (waiver(device=name),), TODAY, PIXEL)
    assert notes == ()
    assert {one.device for one in found if one.waived} == {"pixel-8"}
    assert stray_waivers(plain_report, (waiver(device=name),), PIXEL, found) == ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"figure": "p90 latncy"}, "names no figure of this check; the nearest name is 'p90 latency'"),
        ({"artifact": "onxx-*"}, "names no artifact of this check; the nearest name is 'onnx-float'"),
        ({"device": "hosst"}, "names no device of this check; the nearest name is 'host'"),
    ],
)
def test_a_name_that_there_is_not_is_an_error(
    plain_report: Report, changed: dict[str, str], said: str
) -> None:
    (sentence,) = stray_waivers(plain_report, (waiver(**changed),), PIXEL, judged(plain_report))
    assert sentence.startswith("the waiver for ")
    assert sentence.endswith(said)


@pytest.mark.parametrize(
    "figure", ["size", "size against the reference", "recall of fear against the reference", "artifact", "*"]
)
def test_what_may_be_judged_another_day_is_no_error(plain_report: Report, figure: str) -> None:
    assert stray_waivers(plain_report, (waiver(figure=figure),), PIXEL, judged(plain_report)) == ()


def test_of_two_for_one_verdict_the_longer_is_shown_whatever_their_order(plain_report: Report) -> None:
    short, long = waiver(reason="short"), waiver(reason="long", until=TODAY + datetime.timedelta(days=9))
    for both in ((short, long), (long, short)):
        found, _ = apply_waivers(judged(plain_report), both, TODAY)
        assert {one.waived.reason for one in found if one.waived} == {"long"}
