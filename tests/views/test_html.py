import re

import pytest

from fer_deploy.report.schema import Report
from fer_deploy.views.html import render_html
from fer_deploy.views.svg import VARIABLES
from fer_deploy.views.tables import flip_groups
from fixtures.reading import Page
from fixtures.sample_report import HOSTILE_LABELS


@pytest.fixture(scope="module")
def source(report: Report) -> str:
    return render_html(report)


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_it_is_one_well_formed_document(source: str, page: Page) -> None:
    assert source.lstrip().startswith("<!doctype html>")
    assert [tag for tag, _ in page.tags].count("main") == 1
    assert "{%" not in page.text


def test_nothing_is_fetched(source: str, page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert all(value.startswith("#") for value in page.attribute("href") + page.attribute("xlink:href"))
    assert page.attribute("src") == page.attribute("srcset") == []
    assert "@import" not in source
    assert set(re.findall(r"url\((.)", source)) <= {"#"}
    # namespaces are names, not addresses
    assert {url for url in re.findall(r"https?://[^\s\"'<]+", source)} <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_no_label_becomes_markup(source: str, page: Page) -> None:
    assert "<script" not in source.lower()
    assert "alert(1)" in page.text
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert f"{HOSTILE_LABELS[5]} 125" in page.text


def test_ids_are_unique_and_every_link_has_its_goal(page: Page) -> None:
    ids = page.attribute("id")
    assert len(ids) == len(set(ids))
    assert {href.removeprefix("#") for href in page.attribute("href")} <= set(ids)
    assert set(page.attribute("aria-labelledby")) <= set(ids)


def test_light_and_dark_define_every_plot_colour(source: str) -> None:
    light, dark = source.split("@media (prefers-color-scheme: dark)", 2)[:2]
    for name in VARIABLES.values():
        assert re.search(rf"{name}: #[0-9a-f]{{6}};", light)
        assert re.search(rf"{name}: #[0-9a-f]{{6}};", dark)


def test_flipped_images_are_rows_never_pictures(report: Report, page: Page) -> None:
    text = page.text
    for one in report.artifacts:
        for group in flip_groups(one.parity.flips):
            assert ", ".join(map(str, group.rows)) in text
    assert "data:image" not in "".join(page.attribute("href"))


def test_there_is_a_plot_of_each_kind_and_only_of_what_was_measured(report: Report, page: Page) -> None:
    plots = [attrs for tag, attrs in page.tags if tag == "svg"]
    changed = [one for one in report.artifacts if one.parity.flips]
    # size, recall, calibration, latency on the two devices that have one, noise of the one graph that shows it,
    # time of layers on the one device that shows it, confusion change per artifact with flips
    assert len(plots) == 1 + 1 + 1 + 2 + 1 + 1 + len(changed)


def test_a_gap_shown_once_for_several_columns_spans_them(source: str) -> None:
    row = re.search(r"<tr><th scope=\"row\">coreml-w8a8-ptq</th>.*?</tr>", source, re.DOTALL)
    assert row
    spans = sum(int(number) for number in re.findall(r'colspan="(\d+)"', row[0]))
    assert spans == 4
    assert 'data-label="accuracy, drop, agreement, SQNR"' in row[0]


def test_the_origin_is_on_the_page(report: Report, page: Page) -> None:
    for fact in (
        report.command,
        report.created,
        report.model.contract_sha256,
        report.model.weights_sha256,
        "histogram observer",
        "onnxruntime 1.32.0",
    ):
        assert fact in page.text
