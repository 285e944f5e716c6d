from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from fer_deploy.experiments.study_page import render_study, study_plots, write_study
from fer_deploy.experiments.study_schema import StudyBudget, StudyReport, StudyRow, StudyRun
from fer_deploy.measure.counted import proportion
from fer_deploy.measure.figures import AccuracyFigures, ClassFigures
from fer_deploy.measure.measurement import Measurement, Unit, measured, not_measured
from fer_deploy.report.schema import DatasetSummary, DelegationFigures
from fixtures.reading import rendered

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
IMAGES = (1300, 890, 450, 410, 320, 30, 90, 60)
#: label, family, parameters, MACs, and how many of each class are right in hundredths; made up.
ROWS = (
    ("mobilenet_v2", "mobilenet_v2", 2_233_544, 45e6, 80),
    ("mobilenet_v2 x0.5", "mobilenet_v2", 697_640, 15e6, 78),
    ("mobilenet_v2 x0.35", "mobilenet_v2", 406_088, 9e6, 75),
    ("fer_m", "fer", 781_256, 36e6, 81),
    ("fer_s", "fer", 400_424, 18e6, 79),
    ("fer_xs", "fer", 96_776, 5e6, 72),
    ("squeezenet x0.8", "squeezenet", 459_672, 31e6, 70),
    ("mini_xception", "mini_xception", 49_912, 6e6, 66),
)


def accuracy_of(hundredths: int) -> AccuracyFigures:
    right = [images * max(0, hundredths - 4 * at) // 100 for at, images in enumerate(IMAGES)]
    recalls = [share(count, images) for count, images in zip(right, IMAGES, strict=True)]
    total = share(sum(right), sum(IMAGES))
    mean = sum(one.value or 0 for one in recalls) / len(recalls)
    return AccuracyFigures(
        accuracy=total,
        accuracy_without_leaked=total,
        balanced_accuracy=measured(mean, Unit.FRACTION),
        ece=measured(0.05, Unit.FRACTION),
        classes=tuple(
            ClassFigures(label=label, images=images, recall=recall)
            for label, images, recall in zip(CLASSES, IMAGES, recalls, strict=True)
        ),
    )


def share(count: int, images: int) -> Measurement:
    import numpy as np

    return proportion(np.arange(images) < count)


def row(label: str, family: str, parameters: int, macs: float, hundredths: int) -> StudyRow:
    figures = accuracy_of(hundredths)
    size = measured(parameters * 1.1, Unit.BYTES)
    conditions = {"threads": "1", "load average": "0.4", "verdict": "VALID"}
    delegation = DelegationFigures(
        backend="XNNPACK", share=measured(1.0, Unit.FRACTION), delegates=1, not_delegated={}
    )
    run = StudyRun(
        seed=0,
        best_epoch=3,
        float_accuracy=figures,
        int8_accuracy=figures,
        int8_size=size,
        delegation=delegation,
        train_seconds=120.0,
    )
    return StudyRow(
        label=label,
        family=family,
        parameters=measured(parameters, Unit.COUNT),
        macs=measured(macs, Unit.COUNT),
        int8_size=size,
        int8_latency=measured(macs / 2e7, Unit.MILLISECONDS, conditions=conditions),
        delegation=delegation,
        accuracy=figures.accuracy,
        int8_accuracy=figures.accuracy,
        balanced_accuracy=figures.balanced_accuracy,
        recalls={one.label: one.recall for one in figures.classes},
        runs=(run,),
    )


@pytest.fixture(scope="module")
def report() -> StudyReport:
    return StudyReport(
        name="sample",
        created="2026-01-01T00:00:00+00:00",
        command="fer-deploy study sample.toml --device cpu",
        versions={"python": "3.11.0", "torch": "2.13.0"},
        host="a processor",
        validation=DatasetSummary(
            name="FER+ PublicTest",
            images=sum(IMAGES),
            leaked=280,
            per_class=dict(zip(CLASSES, IMAGES, strict=True)),
        ),
        budget=StudyBudget(
            epochs=3,
            images_per_epoch=4096,
            training_images=28_000,
            batch_size=64,
            seeds=(0,),
            device="cpu",
            threads=1,
            hours=0.27,
            recipe="epochs = 3\n",
        ),
        rows=tuple(row(*values) for values in ROWS),
    )


def test_markdown_tables_hold_every_row_best_first(report: StudyReport) -> None:
    html = rendered(render_study(report, {"macs.svg": "Accuracy and MACs"}))
    assert html.count("<table>") == 2
    assert html.count("<tr>") == 2 * (len(ROWS) + 1) + 1
    assert html.index("fer_m") < html.index("mobilenet_v2") < html.index("mini_xception")
    assert '<img src="macs.svg" alt="Accuracy and MACs"' in html
    for words in (
        "3 epochs of 4,096 images",
        "0.27 hours",
        "load average of the host: 0.4",
        "8 of 8 timings were judged valid",
    ):
        assert words in html


def test_markdown_speaks_of_the_intervals_that_it_has(report: StudyReport) -> None:
    assert "One run per architecture" in render_study(report, {})
    budget = report.budget.model_copy(update={"seeds": (0, 1, 2)})
    several = render_study(report.model_copy(update={"budget": budget}), {})
    assert "One run per architecture" not in several
    assert "Student's t" in several
    assert "seeds 0, 1, 2" in several


def test_markdown_names_what_is_not_delegated(report: StudyReport) -> None:
    assert "XNNPACK takes every operator of every one of them." in render_study(report, {})
    first = report.rows[0]
    half = first.delegation.model_copy(update={"share": measured(0.5, Unit.FRACTION)})
    rows = (first.model_copy(update={"delegation": half}), *report.rows[1:])
    text = render_study(report.model_copy(update={"rows": rows}), {})
    assert "XNNPACK takes not all operators of mobilenet\\_v2 (50.0 %)." in text


def test_plots_are_documents_with_every_name(report: StudyReport) -> None:
    plots = study_plots(report)
    assert set(plots) == {"parameters.svg", "macs.svg", "size.svg", "latency.svg", "recall.svg"}
    for title, document in plots.values():
        root = ElementTree.fromstring(document)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        text = " ".join(root.itertext())
        assert title in text
        for name in ("mobilenet_v2", "fer", "squeezenet", "mini_xception"):
            assert name in text
    recall = " ".join(ElementTree.fromstring(plots["recall.svg"][1]).itertext())
    assert all(label in recall for label in CLASSES)


def test_a_figure_that_is_missing_leaves_its_plot_out(report: StudyReport) -> None:
    gap = not_measured(Unit.MILLISECONDS, "no clock")
    rows = tuple(one.model_copy(update={"int8_latency": gap}) for one in report.rows)
    without = report.model_copy(update={"rows": rows})
    assert "latency.svg" not in study_plots(without)
    text = render_study(without, {})
    assert "not measured" in text
    assert "No latency was measured." in text


def test_json_reads_back(report: StudyReport, tmp_path: Path) -> None:
    written = write_study(report, tmp_path / "out")
    assert StudyReport.model_validate_json(written["study.json"].read_bytes()) == report
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(written)
