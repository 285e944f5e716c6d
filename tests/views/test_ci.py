"""Verdicts in every view: JUnit XML, GitHub, Markdown, HTML, terminal; hostile text stays text."""

from __future__ import annotations

import datetime
import io
from xml.etree import ElementTree

import pytest
from rich.console import Console

from fer_deploy.gate.verdicts import Change, Check, Outcome, Verdict, Waived, load_check
from fer_deploy.measure.measurement import Unit, measured
from fer_deploy.report.schema import Report
from fer_deploy.views.ci import render_junit, step_summary, workflow_commands
from fer_deploy.views.html import render_html
from fer_deploy.views.markdown import render_markdown
from fer_deploy.views.terminal import print_check
from fer_deploy.views.write import CHECK_FILE, write_check, write_views
from fixtures.reading import Page, rendered

HOSTILE = "<b>|100 %|</b> ::error::x\n[red]y[/red], 2:1 \x1b[31m"


@pytest.fixture
def check() -> Check:
    def verdict(figure: str, outcome: Outcome, **more: object) -> Verdict:
        values = {"figure": figure, "subject": "onnx-float", "outcome": outcome, "message": f"{figure} said"}
        return Verdict.model_validate(values | more)

    waived = Waived(until=datetime.date(2099, 1, 1), reason=HOSTILE)
    return Check(
        created="2026-01-02T03:04:05+00:00",
        report="report.json",
        report_sha256="ab" * 32,
        model="fer_s",
        verdicts=(
            verdict("size", Outcome.PASS, limit="at most 5 KB", value=measured(4000, Unit.BYTES)),
            verdict("flips", Outcome.FAIL, message=HOSTILE),
            verdict("p90 latency", Outcome.NOT_MEASURED, device="host"),
            verdict("ECE shift", Outcome.FAIL, waived=waived),
        ),
        changes=(
            Change(
                figure="accuracy",
                subject="float model",
                kind="improvement",
                before=measured(0.5, Unit.FRACTION),
                after=measured(0.6, Unit.FRACTION),
            ),
        ),
        notes=("a waiver has ended",),
    )


def test_what_it_comes_to(check: Check) -> None:
    assert check.summary == "FAIL: 1 pass, 1 fail, 1 not measured, 1 waived"
    assert check.exit_code == 3
    no_failure = check.model_copy(update={"verdicts": (check.verdicts[0], *check.verdicts[2:])})
    assert no_failure.exit_code == 4
    assert check.model_copy(update={"verdicts": check.verdicts[:1]}).exit_code == 0


def test_junit(check: Check) -> None:
    (suite,) = ElementTree.fromstring(render_junit(check))
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds == {
        "size": ["system-out"],
        "flips": ["failure"],
        "p90 latency": ["error"],
        "ECE shift": ["skipped"],
    }
    assert [case.get("classname") for case in suite][2] == "onnx-float on host"


def test_github_commands_are_one_line_each_and_escaped(check: Check) -> None:
    lines = list(workflow_commands(check, "a,b:fer-deploy.toml"))
    assert [line.split(" ")[0] for line in lines] == [
        "::error",
        "::error",
        "::warning",
        "::warning",
        "::notice",
    ]
    assert all("\n" not in line and "\x1b" not in line for line in lines)
    assert lines[0].startswith(
        "::error file=a%2Cb%3Afer-deploy.toml,title=flips%3A fail::flips of onnx-float: "
    )
    assert "100 %25" in lines[0]
    assert "p90 latency of onnx-float on host" in lines[1]


def test_markdown(check: Check, plain_report: Report) -> None:
    for source in (step_summary(check), render_markdown(plain_report, check)):
        text = Page(rendered(source)).text
        assert check.summary in text
        assert "<b>|100 %|</b>" in text, "read as text"
        assert "a waiver has ended" in text
        assert "unexplained" in text


@pytest.mark.usefixtures("without_pictures")
def test_html(check: Check, plain_report: Report) -> None:
    source = render_html(plain_report, check)
    page = Page(source)
    assert check.summary in page.text
    assert "<b>|100 %|</b>" in page.text
    assert "1 pass" in page.text
    assert "waived until 2099-01-01" in page.text
    assert "Not checked" not in page.text


@pytest.mark.usefixtures("without_pictures")
def test_a_page_without_a_check_says_so(plain_report: Report) -> None:
    text = Page(render_html(plain_report)).text
    assert "Not checked" in text
    assert "Verdicts" not in text


def test_terminal(check: Check) -> None:
    stream = io.StringIO()
    print_check(check, Console(file=stream, width=100))
    text = stream.getvalue()
    assert text.rstrip().endswith(check.summary)
    assert "[red]y[/red]" in text
    assert "\x1b" not in text
    assert "improvement: accuracy of float model" in text


@pytest.mark.usefixtures("without_pictures")
def test_files(check: Check, plain_report: Report, tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    write_views(plain_report, folder)
    before = (folder / "report.json").read_bytes()
    write_check(plain_report, check, folder)
    assert load_check(folder / CHECK_FILE) == check
    assert (folder / "report.json").read_bytes() == before
    assert check.summary in (folder / "report.html").read_text(encoding="utf-8")
    write_views(plain_report, folder)
    assert not (folder / CHECK_FILE).exists(), "verdicts on an older report"
