import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fer_deploy.report.wording import clean
from fer_deploy.views.svg import INK, MORE, SERIES, VARIABLES, draw


def paint_label(label: str) -> Any:
    def paint(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=SERIES[0], label=label)
        axes.fill_between([0, 1], [0, 1], color=MORE, clip_on=True)
        axes.set_title(label)

    return paint


def test_the_drawing_is_deterministic_and_stands_alone() -> None:
    first, second = (draw(2, 2, "A plot", paint_label("x")) for _ in range(2))
    assert first == second
    assert first.startswith("<svg ")
    assert "<style" not in first
    assert "<metadata" not in first
    assert not re.search(r"(href|src)=\"(?!#)", first)


def test_two_drawings_in_a_page_share_no_id() -> None:
    plots = [draw(2, 2, title, paint_label("x")) for title in ("One", "Two")]
    first, second = (set(re.findall(r'\bid="([^"]+)"', plot)) for plot in plots)
    assert first
    assert not first & second


def test_every_reference_has_its_goal() -> None:
    svg = draw(2, 2, "References", paint_label("x"))
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    goals = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))
    assert goals
    assert goals <= ids


def test_colours_can_be_replaced_by_the_page() -> None:
    svg = draw(2, 2, "Colours", paint_label("x"))
    assert f"var({VARIABLES[SERIES[0]]}, {SERIES[0]})" in svg
    assert f"var({VARIABLES[INK]}, {INK})" in svg
    for color in VARIABLES:
        assert not re.search(rf"(?<!, ){color}", svg)


def test_it_has_an_accessible_name() -> None:
    root = ElementTree.fromstring(draw(2, 2, "Name & <more>", paint_label("x")))
    title = root.find("{http://www.w3.org/2000/svg}title") or root[0]
    assert root.get("role") == "img"
    assert title.text == "Name & <more>"
    assert root.get("aria-labelledby") == title.get("id")


@pytest.mark.parametrize("label", ["$\\frac{1}{2}$", "<script>", "日本", "a & b", "$", "{x}"])
def test_labels_stay_text(label: str) -> None:
    svg = draw(2, 2, "Labels", paint_label(label))
    assert label in ["".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter()]


@settings(max_examples=15)
@given(st.text(max_size=20))
@example("\x08\ufffe\ud800 ]]> &amp; <b>")
def test_any_clean_text_gives_well_formed_xml(text: str) -> None:
    ElementTree.fromstring(draw(1, 1, text, paint_label(clean(text))))
