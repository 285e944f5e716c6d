"""Verdicts as JUnit XML, which every CI system shows: one test case per verdict."""

from __future__ import annotations

from xml.etree import ElementTree

from fer_deploy.gate.verdicts import Check, Outcome
from fer_deploy.report.wording import clean
from fer_deploy.views.verdict_tables import message


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
    for one in check.verdicts:
        of = one.subject if one.device is None else f"{one.subject} on {one.device}"
        case = ElementTree.SubElement(suite, "testcase", classname=clean(of), name=clean(one.figure))
        said = clean(message(one))
        if not one.counts:
            ElementTree.SubElement(case, "skipped", message=said)
        elif one.outcome is Outcome.FAIL:
            ElementTree.SubElement(case, "failure", message=said, type="budget")
        elif one.outcome is Outcome.NOT_MEASURED:
            ElementTree.SubElement(case, "error", message=said, type="not measured")
        else:
            ElementTree.SubElement(case, "system-out").text = said
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    # not "unicode": it would name the locale's encoding, and the file is UTF-8 whatever the locale
    written: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written.decode() + "\n"
