"""What a prompt shows: at most three lines, and no control character of anybody's label."""

from __future__ import annotations

from fer_deploy.gate.verdicts import Check, Outcome, Verdict
from fer_deploy.report.schema import Report
from fer_deploy.views.short import text


def check_of(*verdicts: Verdict) -> Check:
    return Check(created="now", report="report.json", report_sha256="0", model="net", verdicts=verdicts)


def test_a_report_names_accuracy_and_drops(plain_report: Report) -> None:
    lines = text(plain_report).splitlines()
    assert len(lines) <= 3
    assert plain_report.model.name in lines[0]
    assert plain_report.artifacts[0].key in lines[1]
    assert repr(plain_report) == str(plain_report) == text(plain_report)


def test_no_label_moves_the_cursor(report: Report) -> None:
    said = text(report)
    assert "\x1b" not in said
    assert said.count("\n") <= 2


def test_a_check_names_what_is_not_green() -> None:
    red = [
        Verdict(figure=f"figure {index}", subject="onnx-float", outcome=Outcome.FAIL, message="over")
        for index in range(5)
    ]
    grey = Verdict(figure="p90 latency", subject="a", device="d", outcome=Outcome.NOT_MEASURED, message="no")
    lines = text(check_of(*red, grey)).splitlines()
    assert lines[0] == "Check of net: FAIL: 0 pass, 5 fail, 1 not measured"
    assert (
        lines[1]
        == "  fail: figure 0 of onnx-float, figure 1 of onnx-float, figure 2 of onnx-float and 2 more"
    )
    assert lines[2] == "  not measured: p90 latency of a on d"


def test_anything_else_reads_as_python_has_it() -> None:
    assert text(3) == object.__repr__(3)
