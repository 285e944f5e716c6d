"""The section on emulated NPUs: every figure, what stayed on the CPU, and nothing where nobody asked."""

from __future__ import annotations

from fer_deploy.measure.npu import missing_npu
from fer_deploy.report.schema import Report
from fer_deploy.views.document import document
from fer_deploy.views.markdown import markdown
from fer_deploy.views.sections.npu import npu
from fixtures.sample_report import PLAIN_LABELS, sample_report


def _with(report: Report, **changes: object) -> Report:
    artifacts = tuple(one.model_copy(update=changes) if one.npu else one for one in report.artifacts)
    return report.model_copy(update={"artifacts": artifacts})


def test_no_section_where_nobody_asked() -> None:
    assert npu(_with(sample_report(PLAIN_LABELS), npu=()), None) is None


def test_what_is_established_and_what_is_not_is_said_with_the_figures() -> None:
    report = sample_report(PLAIN_LABELS)
    said = markdown(document(report))
    (figures,) = next(one.npu for one in report.artifacts if one.npu)
    assert "## On emulated NPUs" in said
    assert "is not established" in said
    assert "onnx-w8a8-ptq, Hexagon v75 (Snapdragon 8 Gen 3)" in said
    assert f"{len(figures.flips)} flips among {figures.images} images run" in said


def test_nodes_on_the_cpu_are_named() -> None:
    missing = missing_npu("Hexagon v75", 7, "a node is left to the CPU", ("Conv stem (network.stem.0)",))
    said = markdown(document(_with(sample_report(PLAIN_LABELS), npu=(missing,))))
    assert "leaves to the CPU: Conv stem" in said.replace("\\", "")
