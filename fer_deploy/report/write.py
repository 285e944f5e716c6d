"""Writing a report: the JSON that is its stored form, and the files people read."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.files import write_atomic
from fer_deploy.report.html import render_html
from fer_deploy.report.markdown import render_markdown
from fer_deploy.report.schema import Report


def write_views(report: Report, folder: Path) -> dict[str, Path]:
    """Write ``report.json``, ``report.md`` and ``report.html`` into ``folder`` and return them by format.

    Everything is rendered before the first file is written, and each file is replaced as a whole.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    paths = {name: folder / f"report.{name}" for name in ("json", "md", "html")}
    markdown, page = render_markdown(report), render_html(report)
    report.write(paths["json"])
    write_atomic(paths["md"], markdown)
    write_atomic(paths["html"], page)
    return paths
