from xml.etree import ElementTree

from fer_deploy.measure.figures import AccuracyFigures
from fer_deploy.report.schema import ArtifactReport, Report
from fer_deploy.views.plots import (
    accuracy_against_latency,
    accuracy_against_size,
    changed_cells,
    confusion_change,
    recall_per_class,
)


def words(svg: str | None) -> list[str]:
    assert svg is not None
    return [
        element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")
    ]


def of(report: Report, key: str) -> ArtifactReport:
    return next(one for one in report.artifacts if one.key == key)


def test_scatters_name_exactly_the_artifacts_with_both_figures(plain_report: Report) -> None:
    known = {one.key for one in plain_report.artifacts if one.accuracy.accuracy.known}
    keys = {one.key for one in plain_report.artifacts}
    assert set(words(accuracy_against_size(plain_report))) & keys == known
    on_host = set(words(accuracy_against_latency(plain_report, plain_report.devices[0]))) & keys
    assert on_host == {key for key in known if not key.startswith("coreml")}


def test_a_device_without_latency_has_no_plot(plain_report: Report) -> None:
    assert accuracy_against_latency(plain_report, plain_report.devices[2]) is None


def test_recall_plot_shows_every_class_and_every_artifact_with_recall(plain_report: Report) -> None:
    shown = set(words(recall_per_class(plain_report)))
    assert set(plain_report.model.contract.labels) <= shown
    assert {"float model", "executorch-w8a8-ptq", "onnx-float"} <= shown
    assert "coreml-w8a8-ptq" not in shown


def test_confusion_change_prints_artifact_minus_float(plain_report: Report) -> None:
    one = of(plain_report, "executorch-w8a8-ptq")
    shown = [text for text in words(confusion_change(plain_report, one)) if text[:1] in "+\N{MINUS SIGN}·"]
    before, after = plain_report.float_accuracy.confusion, one.accuracy.confusion
    expected = [new - old for rows in zip(after, before, strict=True) for new, old in zip(*rows, strict=True)]
    read = [0 if text == "·" else int(text.replace("\N{MINUS SIGN}", "-")) for text in shown]
    assert read == expected
    assert sum(expected) == 0


def test_confusion_change_of_the_unchanged_and_of_the_unmeasured_is_none(plain_report: Report) -> None:
    assert confusion_change(plain_report, of(plain_report, "executorch-float")) is None
    assert confusion_change(plain_report, of(plain_report, "coreml-w8a8-ptq")) is None


def test_an_empty_report_has_no_plots(plain_report: Report) -> None:
    bare = plain_report.model_copy(update={"artifacts": ()})
    assert accuracy_against_size(bare) is None
    assert recall_per_class(bare) is None


def test_emulated_and_measured_markers_differ(plain_report: Report) -> None:
    one = of(plain_report, "onnx-w8a8-qat")
    emulated = AccuracyFigures.model_validate_json(
        one.accuracy.model_dump_json().replace('"measured"', '"emulated"')
    )
    only = plain_report.model_copy(update={"artifacts": (one,)})
    changed = only.model_copy(update={"artifacts": (one.model_copy(update={"accuracy": emulated}),)})
    assert accuracy_against_size(only) != accuracy_against_size(changed)


def test_a_ragged_confusion_matrix_is_no_matrix(plain_report: Report) -> None:
    artifact = of(plain_report, "executorch-w8a8-ptq")
    first, *rest = artifact.accuracy.confusion
    ragged = artifact.accuracy.model_copy(update={"confusion": (first[:-1], *rest)})
    changed = artifact.model_copy(update={"accuracy": ragged})
    assert changed_cells(plain_report, artifact) is not None
    assert changed_cells(plain_report, changed) is None
    assert confusion_change(plain_report, changed) is None


def test_hostile_labels_are_drawn_as_text(report: Report) -> None:
    shown = words(recall_per_class(report))
    assert "a|b" in shown
    assert "[red]alarm[/red]" in shown
    assert any(text.startswith("$\\frac{1}{2}$") for text in shown)
