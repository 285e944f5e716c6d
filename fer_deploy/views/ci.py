"""Verdicts in the formats of CI systems: JUnit XML, and annotations and a step summary for GitHub Actions."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from fer_deploy.errors import OutputError
from fer_deploy.gate.verdicts import Check, Outcome
from fer_deploy.report.wording import clean
from fer_deploy.views.document import check_document
from fer_deploy.views.markdown import markdown
from fer_deploy.views.sections.verdicts import message


def render_junit(check: Check) -> str:
    """Return the XML. Fail is a failure, not measured an error (never a skip: skips are green), waived a skip."""
    suite = ElementTree.Element(
        "testsuite",
        name=clean(f"fer-deploy check {check.model}"),
        tests=str(len(check.verdicts)),
        failures=str(len(check.of(Outcome.FAIL))),
        errors=str(len(check.of(Outcome.NOT_MEASURED))),
        skipped=str(len(check.waived)),
        timestamp=clean(check.created),
    )
    for verdict in check.verdicts:
        of = verdict.subject if verdict.device is None else f"{verdict.subject} on {verdict.device}"
        case = ElementTree.SubElement(suite, "testcase", classname=clean(of), name=clean(verdict.figure))
        said = clean(message(verdict))
        if not verdict.counts:
            ElementTree.SubElement(case, "skipped", message=said)
        elif verdict.outcome is Outcome.FAIL:
            ElementTree.SubElement(case, "failure", message=said, type="budget")
        elif verdict.outcome is Outcome.NOT_MEASURED:
            ElementTree.SubElement(case, "error", message=said, type="not measured")
        else:
            ElementTree.SubElement(case, "system-out").text = said
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    # not "unicode": it would name the locale's encoding, and the file is UTF-8 whatever the locale
    written: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written.decode() + "\n"


#: Bytes of one step's summary; GitHub drops a larger one whole (docs.github.com, "Workflow commands", job summaries).
SUMMARY_LIMIT = 1024 * 1024


def workflow_commands(check: Check, file: str | None) -> Iterator[str]:
    """Yield one workflow command per verdict that is not green, regressions and notes after them.

    Args:
        check: the verdicts.
        file: the file that the annotations hang on, e.g. the configuration; None for no file.

    The escapes are those of actions/toolkit, packages/core/src/command.ts.
    """
    for verdict in (*check.of(Outcome.FAIL), *check.of(Outcome.NOT_MEASURED)):
        yield _command(
            "error", file, f"{verdict.figure}: {verdict.outcome}", f"{verdict.name}: {message(verdict)}"
        )
    for verdict in check.waived:
        yield _command("warning", file, f"{verdict.figure}: waived", f"{verdict.name}: {message(verdict)}")
    for change in check.changes:
        level = "warning" if change.kind == "improvement" else "error"
        yield _command(level, file, f"{change.figure}: {change.kind}", change.message)
    for note in check.notes:
        yield _command("notice", file, "budget", note)


def step_summary(check: Check, room: int = SUMMARY_LIMIT) -> str:
    """Return the verdicts as Markdown for ``$GITHUB_STEP_SUMMARY``, cut to ``room`` bytes; the worst comes first.

    Raises:
        OutputError: not even the outcome has room.
    """
    text = markdown(check_document(check))
    if len(text.encode()) <= room:
        return text
    end = f"\n**{check.summary}**. Cut here, for a step summary has no more room: check.json holds everything.\n"
    room -= len(end.encode())
    if room < 0:
        raise OutputError(
            "the step summary has no room left: write less into it before `fer-deploy check --github`"
        )
    kept: list[str] = []
    for line in text.splitlines(keepends=True):
        room -= len(line.encode())
        if room < 0:
            break
        kept.append(line)
    return "".join(kept) + end


def _command(level: str, file: str | None, title: str, text: str) -> str:
    properties = {"file": file, "title": title}
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{level} {listed}::{_data(text)}"


def _data(text: str) -> str:
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
