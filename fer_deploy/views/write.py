"""Writing a report: the JSON that is its stored form, and the files people read."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.files import write_atomic
from fer_deploy.gate.verdicts import Check
from fer_deploy.report.schema import Report
from fer_deploy.views.document import document
from fer_deploy.views.html import page
from fer_deploy.views.markdown import markdown

CHECK_FILE = "check.json"


def write_views(report: Report, folder: Path) -> dict[str, Path]:
    """Write ``report.json``, ``report.md`` and ``report.html`` into ``folder`` and return them by format.

    Verdicts of an earlier report are removed: they are not about this one.

    Everything is rendered before the first file is written, and each file is replaced as a whole.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    paths = {name: folder / f"report.{name}" for name in ("json", "md", "html")}
    made = document(report)
    text, html = markdown(made), page(made)
    if (folder / CHECK_FILE).is_file():
        (folder / CHECK_FILE).unlink()
    report.write(paths["json"])
    write_atomic(paths["md"], text)
    write_atomic(paths["html"], html)
    return paths


def write_check(report: Report, check: Check, folder: Path) -> None:
    """Write ``check.json`` into ``folder``, and the report's views there once more with the verdicts in them.

    ``report.json`` is left alone: the verdicts name its sha256.

    Raises:
        OutputError: the folder cannot be written.
    """
    made = document(report, check)
    text, html = markdown(made), page(made)
    write_atomic(folder / CHECK_FILE, check.model_dump_json(indent=2) + "\n")
    write_atomic(folder / "report.md", text)
    write_atomic(folder / "report.html", html)
