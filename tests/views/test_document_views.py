"""What holds for every view: nothing is lost, nothing is invented, no label is taken for markup."""

from collections.abc import Callable

import pytest

from fer_deploy.measure.measurement import Provenance
from fer_deploy.report.schema import Report
from fer_deploy.report.wording import MARKS, UNITS_NOTE, amount, clean, interval
from fer_deploy.views.document import document, place
from fer_deploy.views.html import render_html
from fer_deploy.views.markdown import render_markdown
from fixtures.reading import Page, figures, reasons, rendered, squeezed, terminal
from fixtures.sample_report import HOSTILE_LABELS, NEEDS_MACOS, NO_PHONE

#: Pages already rendered, with their report: it takes seconds, and no test changes either.
_RENDERED: list[tuple[Report, str]] = []


def html_text(report: Report) -> str:
    for known, text in _RENDERED:
        if known is report:
            return text
    _RENDERED.append((report, Page(render_html(report)).text))
    return _RENDERED[-1][1]


def markdown_text(report: Report) -> str:
    return Page(rendered(render_markdown(report))).text


def terminal_text(report: Report) -> str:
    return squeezed(terminal(report, width=100))


VIEWS = pytest.mark.parametrize("view", [html_text, markdown_text, terminal_text])
View = Callable[[Report], str]


@VIEWS
def test_every_reason_is_given(report: Report, view: View) -> None:
    text = view(report)
    assert {NEEDS_MACOS, NO_PHONE} < reasons(report)
    assert [reason for reason in reasons(report) if reason not in text] == []


@VIEWS
def test_every_artifact_and_device_is_named(report: Report, view: View) -> None:
    # a terminal breaks a key after its target, so spaces do not count
    text = view(report).replace(" ", "")
    wanted = [one.key for one in report.artifacts] + [one.market_name for one in report.devices]
    assert [name for name in wanted if name.replace(" ", "") not in text] == []


@VIEWS
def test_labels_read_as_themselves(report: Report, view: View) -> None:
    text = view(report)
    assert [label for label in HOSTILE_LABELS if clean(label) not in text] == []


@VIEWS
def test_warnings_are_shown(report: Report, view: View) -> None:
    assert report.warnings
    assert all(warning in view(report) for warning in report.warnings)


@VIEWS
def test_figures_carry_their_mark(report: Report, view: View) -> None:
    text = view(report).replace("\N{NO-BREAK SPACE}", " ")
    one = next(one for one in report.artifacts if one.key == "coreml-w8a8-qat")
    assert one.accuracy.accuracy.provenance is Provenance.EMULATED
    assert f"{amount(one.accuracy.accuracy)} {MARKS[Provenance.EMULATED]}" in text
    estimate = report.devices[1].figures[0].latency_p50
    assert interval(estimate) in text
    assert MARKS[Provenance.ESTIMATED] in text
    assert UNITS_NOTE in text


@VIEWS
def test_an_estimate_says_what_it_rests_on(report: Report, view: View) -> None:
    estimate = report.devices[1].figures[0].latency_p50
    assert estimate.provenance is Provenance.ESTIMATED
    assert estimate.interval is not None
    text = view(report)
    rests_on = (str(estimate.conditions[key]) for key in ("calibration", "basis", "note"))
    for said in ("What the estimates rest on", estimate.interval.method, *rests_on):
        assert said in text


@VIEWS
def test_an_empty_report_is_still_a_report(report: Report, view: View) -> None:
    nothing = {"artifacts": (), "devices": (), "between_targets": (), "warnings": (), "calibration": None}
    bare = report.model_copy(update=nothing)
    text = view(bare)
    assert amount(report.float_accuracy.accuracy) in text
    assert "Warnings" not in text


def test_gaps_hold_every_reason_once_with_the_numbers_of_the_footnotes(report: Report) -> None:
    made = document(report)
    found = made.gaps
    missing = [figure for figure in figures(report) if not figure.known]
    assert sorted(gap.reason for gap in found) == sorted(reasons(report))
    assert [gap.number for gap in found] == list(range(1, len(found) + 1))
    numbers = {gap.reason: gap.number for gap in found}
    assert [made.number(figure) for figure in missing] == [numbers[str(figure.reason)] for figure in missing]
    assert len(missing) >= len(found)


def test_place_names_together_who_lacks_the_same(report: Report) -> None:
    places = {gap.reason: place(gap) for gap in document(report).gaps}
    assert "coreml-float on iPhone 15" in places[NEEDS_MACOS]
    assert "coreml-w8a8-ptq: accuracy, drop, agreement, SQNR" in places[NEEDS_MACOS]
    assert "every time and peak memory" in places[NEEDS_MACOS]
    assert places["onnx does not tell what its backend takes"] == (
        "onnx-float, onnx-w8a8-ptq, onnx-w8a8-qat: delegated"
    )
