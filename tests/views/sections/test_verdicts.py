"""The first thing that a reader wants to know: can it ship, on each device?"""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from fer_deploy.gate.verdicts import Check, Outcome, Verdict, Waived
from fer_deploy.report.schema import Report
from fer_deploy.views.html import render_html
from fer_deploy.views.sections.verdicts import can_it_ship

WAIVER = Waived(until=datetime.date(2099, 1, 1), reason="known")


def verdict(outcome: Outcome, **changed: Any) -> Verdict:
    return Verdict(
        **{"figure": "flips", "subject": "onnx-float", "outcome": outcome, "message": "", **changed}
    )


def sentences(report: Report, *verdicts: Verdict) -> dict[str, str]:
    check = Check(created="", report="", report_sha256="", model="m", reference=None, verdicts=verdicts)
    found = {}
    for name, _, answer in can_it_ship(report, check):
        found[name.text] = answer.text  # type: ignore[union-attr]
    return found


def test_one_sentence_for_each_device(plain_report: Report) -> None:
    first, second, *_ = plain_report.devices
    found = sentences(
        plain_report,
        verdict(Outcome.PASS),
        verdict(Outcome.FAIL, figure="p90 latency", device=second.name),
        verdict(Outcome.NOT_MEASURED, figure="memory", device=first.name),
        verdict(Outcome.FAIL, figure="size", waived=WAIVER),
    )
    assert list(found) == [one.market_name for one in plain_report.devices]
    assert found[first.market_name] == "cannot be said: not measured is memory"
    assert found[second.market_name] == "no: p90 latency"


def test_what_holds_everywhere_counts_on_every_device(plain_report: Report) -> None:
    names = ("size", "flips", "drop", "counts", "flips")
    found = sentences(plain_report, *(verdict(Outcome.FAIL, figure=name) for name in names))
    assert set(found.values()) == {"no: size, flips, drop and 1 more"}


def test_yes_where_nothing_is_red(plain_report: Report) -> None:
    assert set(sentences(plain_report, verdict(Outcome.PASS)).values()) == {
        "yes: every limit is shown to hold"
    }


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("judged", [False, True])
def test_it_stands_at_the_top_of_the_page(plain_report: Report, judged: bool) -> None:
    check = None
    if judged:
        check = Check(
            created="",
            report="",
            report_sha256="",
            model="m",
            reference=None,
            verdicts=(verdict(Outcome.FAIL),),
        )
    page = render_html(plain_report, check)
    wanted = "no: flips" if judged else "fer-deploy check"
    assert page.index("Can it ship?") < page.index(wanted) < page.index("<table")
