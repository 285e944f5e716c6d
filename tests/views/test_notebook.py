"""HTML in somebody else's page: it brings style for itself alone, no script, and ids that clash with none."""

from __future__ import annotations

import re

import pytest

from fer_deploy.gate.verdicts import Check, Outcome, Verdict
from fer_deploy.report.schema import Report
from fer_deploy.views.notebook import SCOPE, html, scoped
from fixtures.reading import Page


@pytest.fixture(scope="module")
def source(report: Report) -> str:
    made = html(report)
    assert made is not None
    return made


def test_it_is_a_piece_of_a_page(source: str) -> None:
    page = Page(source)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {
        "html",
        "head",
        "body",
        "meta",
        "main",
        "script",
        "link",
        "img",
        "iframe",
        "form",
    }
    assert page.tags[0] == ("div", {"class": SCOPE})
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "<script" not in source.lower()
    assert "@import" not in source


def test_it_is_the_summary(source: str, report: Report) -> None:
    said = Page(source).text
    assert "Deployment report" in said
    assert all(one.key in said for one in report.artifacts)
    assert "Where this comes from" not in said


def test_every_rule_is_for_its_own_element_alone(source: str) -> None:
    style = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    assert len([one for one in style if f".{SCOPE} table" in one]) == 1
    ours = next(one for one in style if f".{SCOPE} table" in one)
    for selectors in re.findall(r"([^{}]+)\{", ours):
        if not selectors.strip().startswith("@"):
            assert all(one.strip().startswith(f".{SCOPE}") for one in selectors.split(",")), selectors
    assert ours.count("{") == ours.count("}")


def test_ids_are_its_own_and_links_lead_to_them(source: str) -> None:
    page = Page(source)
    ids = page.attribute("id")
    assert ids
    assert len(ids) == len(set(ids))
    assert all(re.match(r"fd-[0-9a-f]{8}-", one) for one in ids)
    assert {href.removeprefix("#") for href in page.attribute("href")} <= set(ids)
    assert {f"{one}" for one in re.findall(r"url\(#([^)]+)\)", source)} <= set(ids)


def test_a_check_shows_its_verdicts_on_devices_too() -> None:
    verdicts = tuple(
        Verdict(figure="p90 latency", subject="onnx-float", device=device, outcome=outcome, message="<b>why")
        for device, outcome in (("host", Outcome.FAIL), ("pixel-8", Outcome.PASS))
    )
    check = Check(created="now", report="r", report_sha256="0", model="net", verdicts=verdicts)
    made = check._repr_html_()
    assert made is not None
    said = Page(made).text
    assert "FAIL: 1 pass, 1 fail" in said
    assert "onnx-float on host" in said
    assert "onnx-float on pixel-8" in said
    assert "<b>" not in made


def test_nothing_else_is_html() -> None:
    assert html(3) is None


def test_rules_for_the_page_are_for_the_element() -> None:
    css = ":root { a: b; }\n@media print { body { c: d; } h1, td:nth-child(2) { e: f; } }"
    assert re.sub(r"\s+", " ", scoped(css, ".x")).strip() == (
        ".x { a: b; } @media print { .x { c: d; } .x h1, .x td:nth-child(2) { e: f; } }"
    )
