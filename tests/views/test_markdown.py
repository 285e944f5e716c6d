import re

from hypothesis import example, given
from hypothesis import strategies as st

from fer_deploy.report.schema import Report
from fer_deploy.report.wording import clean
from fer_deploy.views.markdown import escape, render_markdown
from fixtures.reading import Page, rendered, squeezed

#: What a line or a table cell of plain text may be rendered with.
_PLAIN = {"p", "table", "thead", "tbody", "tr", "th", "td"}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
@example("<b>&amp;</b> | \\| `x` **y** ~~z~~ [a](b) ![c](d)")
@example("1. one")
@example("- [ ] task")
@example("# title")
@example("> quote")
@example("+")
@example("===")
def test_escaped_text_reads_as_itself_in_a_cell_and_in_a_line(text: str) -> None:
    shown = squeezed(clean(text))
    for source in (
        f"| head |\n| --- |\n| {escape(text)} |\n",
        f"| {escape(text)} |\n| --- |\n| x |\n",
        escape(text),
    ):
        page = Page(rendered(source))
        assert {tag for tag, _ in page.tags} <= _PLAIN
        assert shown in page.text or not shown


def test_addresses_and_mentions_do_not_become_links() -> None:
    assert "://" not in escape("see https://example.org")
    assert "www." not in escape("www.example.org")
    assert "@" not in escape("@someone")
    assert Page(rendered(escape("https://a.b @c www.d.e"))).text == "https://a.b @c www.d.e"


def test_every_table_row_has_all_columns(report: Report) -> None:
    html = rendered(render_markdown(report))
    tables = re.findall(r"<table>.*?</table>", html, re.DOTALL)
    assert len(tables) >= 5 + len(report.devices)
    for table in tables:
        rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
        assert len({len(re.findall(r"<t[hd]", row)) for row in rows}) == 1


def test_every_footnote_is_defined_once_and_used(report: Report) -> None:
    text = render_markdown(report)
    defined = re.findall(r"^\[\^(\d+)\]: ", text, re.MULTILINE)
    assert len(defined) == len(set(defined)) > 0
    assert set(re.findall(r"\[\^(\d+)\](?!: )", text)) == set(defined)


def test_only_our_own_markup_comes_out(report: Report) -> None:
    page = Page(rendered(render_markdown(report)))
    tags = {tag for tag, _ in page.tags}
    assert tags <= _PLAIN | {"h1", "h2", "h3", "ul", "li", "strong", "b", "details", "summary"}
    assert page.attribute("href") == page.attribute("src") == []
