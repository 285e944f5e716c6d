from pathlib import Path

import pytest

from fer_deploy.errors import OutputError
from fer_deploy.report.schema import Report, load_report
from fer_deploy.views.html import render_html
from fer_deploy.views.markdown import render_markdown
from fer_deploy.views.write import write_views


@pytest.mark.usefixtures("without_pictures")
def test_all_views_are_written_and_nothing_else(report: Report, tmp_path: Path) -> None:
    paths = write_views(report, tmp_path / "new" / "folder")
    assert paths == {name: tmp_path / "new" / "folder" / f"report.{name}" for name in ("json", "md", "html")}
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(paths.values())
    assert load_report(paths["json"]) == report
    assert paths["md"].read_text(encoding="utf-8") == render_markdown(report)
    assert paths["html"].read_text(encoding="utf-8") == render_html(report)


def test_views_of_the_stored_report_are_the_same(report: Report, tmp_path: Path) -> None:
    first = write_views(report, tmp_path / "a")
    second = write_views(load_report(first["json"]), tmp_path / "b")
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)


@pytest.mark.usefixtures("without_pictures")
def test_an_older_report_is_replaced(report: Report, plain_report: Report, tmp_path: Path) -> None:
    write_views(report, tmp_path)
    write_views(plain_report, tmp_path)
    assert load_report(tmp_path / "report.json") == plain_report


@pytest.mark.usefixtures("without_pictures")
def test_a_folder_that_is_a_file_is_named(report: Report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_views(report, tmp_path / "taken")
