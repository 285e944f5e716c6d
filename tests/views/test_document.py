"""The document that all views render: one entry for a section, one numbering, and every kind of block in each view."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from fer_deploy.gate.verdicts import Check
from fer_deploy.measure.measurement import Provenance, Unit, measured, not_measured
from fer_deploy.report.schema import Report
from fer_deploy.views import document as contents
from fer_deploy.views.blocks import (
    EVERYWHERE,
    NOWHERE,
    Banner,
    Block,
    Entries,
    Facts,
    Folded,
    Grid,
    Heading,
    Items,
    Legend,
    ListEntry,
    Look,
    Mark,
    Notes,
    Say,
    Section,
    Span,
    View,
)
from fer_deploy.views.document import Document, collect
from fer_deploy.views.html import page, render_html
from fer_deploy.views.markdown import markdown, render_markdown
from fer_deploy.views.tables import Table
from fer_deploy.views.terminal import print_document, print_report, print_summary
from fixtures.reading import Page, rendered, squeezed

#: Attacks on HTML, Markdown, rich markup and the terminal at once.
HOSTILE = "<script>x</script> **b** [red]y[/red] a|b {{ 7 * 7 }} \x1b[31m"
READ = "<script>x</script> **b** [red]y[/red] a|b {{ 7 * 7 }} \N{REPLACEMENT CHARACTER}[31m"
REASON = "nobody has ever weighed it"
WEIGHT = not_measured(Unit.COUNT, REASON)


def html_text(made: Document) -> str:
    return Page(page(made)).text


def markdown_text(made: Document) -> str:
    return Page(rendered(markdown(made))).text


def terminal_text(made: Document) -> str:
    stream = io.StringIO()
    print_document(made, Console(file=stream, width=100))
    assert "\x1b" not in stream.getvalue()
    return squeezed(stream.getvalue())


VIEWS = pytest.mark.parametrize("view", [html_text, markdown_text, terminal_text])
Read = Callable[[Document], str]


def weights(report: Report, _: Check | None) -> Section:
    """A section that no renderer has ever heard of."""
    table = Table("part", ("weight", "colour"), (("the crate", (WEIGHT, HOSTILE)),))
    return Section(f"Weights of {report.model.name}", "weights", (Grid(table, "Weights"),), summary=True)


def alone(*blocks: Block) -> Document:
    sections = (Section("A section", "section", blocks),)
    return Document("A document", sections, collect(sections))


@pytest.mark.usefixtures("without_pictures")
@VIEWS
def test_a_new_section_is_one_entry(
    view: Read, plain_report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents.document(plain_report)
    monkeypatch.setattr(contents, "SECTIONS", (*contents.SECTIONS, weights))
    made = contents.document(plain_report)
    text = view(made)
    assert "Weights of fer_s" in text
    assert "the crate" in text
    assert READ.replace(" ", "") in text.replace(" ", "")
    assert [gap.reason for gap in made.gaps] == [*(gap.reason for gap in before.gaps), REASON]
    assert made.gaps[-1].missing == (("the crate", ("weight",)),)
    assert REASON in text
    assert "the crate: weight" in text
    assert "Weights of fer_s" not in view(before)


@pytest.mark.usefixtures("without_pictures")
def test_what_renders_a_report_shows_the_new_section_too(
    plain_report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "SECTIONS", (*contents.SECTIONS, weights))
    stream = io.StringIO()
    console = Console(file=stream, width=100)
    print_report(plain_report, console)
    assert stream.getvalue().count("Weights of fer_s") == 1
    print_summary(plain_report, console)
    assert stream.getvalue().count("Weights of fer_s") == 2
    assert '<h2 id="weights">Weights of fer_s</h2>' in render_html(plain_report)
    assert "\n## Weights of fer\\_s\n" in render_markdown(plain_report)


@pytest.mark.usefixtures("without_pictures")
@VIEWS
def test_every_view_has_the_sections_in_their_order(view: Read, plain_report: Report) -> None:
    made = contents.document(plain_report)
    text = view(made)
    flags: dict[Read, View] = {
        html_text: View.HTML,
        markdown_text: View.MARKDOWN,
        terminal_text: View.TERMINAL,
    }
    flag = flags[view]
    titles = [section.title for section, _ in made.shown(flag) if flag in section.titled]
    assert len(titles) >= 7
    at = 0
    for title in titles:
        at = text.index(title, at) + len(title)


def test_a_summary_is_part_of_the_report(plain_report: Report) -> None:
    made = contents.document(plain_report)
    summary = [section.title for section, _ in made.shown(View.TERMINAL, summary=True)]
    whole = [section.title for section, _ in made.shown(View.TERMINAL)]
    assert summary == [title for title in whole if title in summary]
    assert summary == [
        "fer_s",
        "Warnings",
        "Artifacts",
        "Devices",
        "Layers",
        "Not measured, and why",
        "Legend",
    ]


@VIEWS
def test_a_section_may_hide_its_title(view: Read) -> None:
    section = Section("Its title", "section", (Say(("its text",)),), titled=NOWHERE)
    text = view(Document("A document", (section,), ()))
    assert "its text" in text
    assert "Its title" not in text


def test_anchors_are_unique(plain_report: Report) -> None:
    anchors = [section.anchor for section in contents.document(plain_report).sections]
    assert len(anchors) == len(set(anchors))


def test_only_a_page_draws(plain_report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("matplotlib takes seconds")

    monkeypatch.setattr("fer_deploy.views.plots.draw", refuse)
    monkeypatch.setattr("fer_deploy.views.sections.layers.draw", refuse)
    made = contents.document(plain_report)
    assert markdown_text(made)
    assert terminal_text(made)
    with pytest.raises(AssertionError, match="takes seconds"):
        page(made)


@VIEWS
@pytest.mark.parametrize(
    "block",
    [
        Heading(HOSTILE),
        Say((HOSTILE,)),
        Say((Span(HOSTILE, Look.CODE), "; ", Mark(Provenance.MEASURED)), fine=True),
        *(Say(("so: ", Span(HOSTILE, look))) for look in Look),
        Banner(HOSTILE, "not measured"),
        Items(((HOSTILE,), ("more",))),
        Items((("more",),), look=Look.BAD, lead=(HOSTILE,)),
        Items((("so: ", HOSTILE),), look=Look.DOUBTFUL, lead=("lead",)),
        Entries((ListEntry((HOSTILE,), (Say(("first",)), Say(("second",), fine=True))),)),
        Entries((ListEntry(("term",), (Say((HOSTILE,)),)),)),
        Facts((("fact", (HOSTILE,)),)),
        Facts(((HOSTILE, ("fact",)),)),
        Folded((HOSTILE,), (Say(("inside",)),), views=EVERYWHERE),
        Folded((Span(HOSTILE, Look.STRONG),), (Say(("inside",)),), open=True, views=EVERYWHERE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_block_reads_as_itself_in_every_view(view: Read, block: Block) -> None:
    assert READ in view(alone(block))


@VIEWS
def test_a_table_of_words_says_all_and_one_of_figures_marks_them(view: Read) -> None:
    table = Table(HOSTILE, ("x", "y"), (("row", (measured(0.5, Unit.FRACTION), WEIGHT)),))
    in_words = view(alone(Grid(table, "caption", words=True)))
    assert "50.0 % (measured)" in in_words
    assert f"not measured: {REASON}" in in_words
    marked = view(alone(Grid(table, "caption"))).replace("\N{NO-BREAK SPACE}", " ")
    assert "50.0 % ●" in marked
    assert "1]" in marked
    assert REASON not in marked


@VIEWS
def test_a_figure_that_only_a_sentence_has_gets_its_footnote(view: Read) -> None:
    sentence = Say(("It weighs ", WEIGHT, "."))
    made = alone(Folded(("open",), (sentence,)), sentence)
    assert made.gaps[0].missing == (("A section", ("in the text",)),)
    assert "1]" in view(made)
    notes = Section("Reasons", "reasons", (Notes(made.gaps),))
    assert f"{REASON}" in view(Document("A document", (*made.sections, notes), made.gaps))


@VIEWS
def test_legend_and_empty_blocks(view: Read) -> None:
    text = view(alone(Legend(), Items((), lead=("no items",)), Grid(Table("a", (), ()), "no rows")))
    assert "obtained by running" in text
    assert "no items" not in text
    assert "no rows" not in text
    assert "A section" not in view(alone(Facts(())))
