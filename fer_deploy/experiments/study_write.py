"""Writing a study: the JSON that is its stored form, the table and the plots."""

from __future__ import annotations

from pathlib import Path

from fer_deploy.experiments.study_markdown import render_study
from fer_deploy.experiments.study_plots import study_plots
from fer_deploy.experiments.study_result import StudyReport
from fer_deploy.files import write_atomic


def write_study(report: StudyReport, folder: Path) -> dict[str, Path]:
    """Write ``study.json``, ``study.md`` and the plots into ``folder`` and return them by file name.

    Everything is rendered before the first file is written, and each file is replaced as a whole.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    plots = study_plots(report)
    files = {
        "study.json": report.model_dump_json(indent=1) + "\n",
        "study.md": render_study(report, {name: title for name, (title, _) in plots.items()}),
        **{name: svg for name, (_, svg) in plots.items()},
    }
    for name, content in files.items():
        write_atomic(folder / name, content)
    return {name: folder / name for name in files}
