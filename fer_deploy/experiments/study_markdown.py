"""The study as Markdown: the table, the budget that produced it, and what the figures do not say."""

from __future__ import annotations

from collections.abc import Mapping

from fer_deploy.experiments.study_result import StudyReport
from fer_deploy.report.wording import amount, bare_amount, interval
from fer_deploy.views.markdown_template import fill

TEMPLATE = "study.md.j2"


def render_study(report: StudyReport, plots: Mapping[str, str]) -> str:
    """Return the study as Markdown; ``plots`` maps the plots' file names to their titles."""
    best_first = sorted(report.rows, key=lambda row: row.accuracy.value or 0.0, reverse=True)
    outside = [row for row in best_first if row.delegation.share.value != 1.0]
    return fill(
        TEMPLATE,
        report=report,
        rows=best_first,
        outside=outside,
        timing=_timing_note(report),
        plots=plots,
        amount=amount,
        bare=bare_amount,
        interval=interval,
    )


def _timing_note(report: StudyReport) -> str:
    """Return how the latencies were measured and how many of the timings were judged valid."""
    conditions = [row.int8_latency.conditions for row in report.rows if row.int8_latency.known]
    if not conditions:
        return "No latency was measured."
    valid = sum(one.get("verdict", "").startswith("VALID") for one in conditions)
    loads = sorted({one["load average"] for one in conditions if "load average" in one})
    threads = sorted({one["threads"] for one in conditions if "threads" in one})
    return (
        f"Latency is this host's ({', '.join(threads)} thread, batch 1), all architectures in turns when all were "
        f"trained. {valid} of {len(conditions)} timings were judged valid; load average of the host: "
        f"{', '.join(loads) or 'not known'}. It ranks, and says nothing of a phone."
    )
