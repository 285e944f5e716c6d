"""Figures edited by hand contradict the answers beside them, whichever figure it is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from fer_deploy.data.account import account_of
from fer_deploy.gate.counts import contradictions, counts
from fer_deploy.gate.reference import reference_of
from fer_deploy.gate.verdicts import Outcome
from fer_deploy.measure.counted import ImageAnswers, Truth, counted_accuracy
from fer_deploy.report.schema import Report
from fixtures.sample_report import PLAIN_LABELS, sample_faces


def red(report: Report) -> str:
    return " ".join(one.message for one in counts(report) if one.outcome is Outcome.FAIL)


def edited(report: Report, edit: Callable[[dict[str, Any]], None]) -> Report:
    document = json.loads(report.model_dump_json())
    edit(document)
    return Report.model_validate(document)


def test_a_report_as_it_was_measured_proves_itself(plain_report: Report) -> None:
    found = counts(plain_report)
    assert {one.outcome for one in found} == {Outcome.PASS}
    assert [one.subject for one in found] == ["float model", *(one.key for one in plain_report.artifacts)]
    assert found[0].message == "every figure follows from the answers to 700 images"


def test_accuracy_of_99_per_cent_beside_its_counts(plain_report: Report) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["artifacts"][1]["accuracy"]["accuracy"]["value"] = 0.99

    assert "accuracy is 99.0 % [" in red(edited(plain_report, edit))
    assert "and the answers give 77.1 % [73.9, 80.1]; run again" in red(edited(plain_report, edit))


def _figures(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every known figure that is counted from answers or from all raw samples."""
    if isinstance(value, dict):
        if {"value", "provenance", "unit"} <= set(value):
            if value["value"] is not None:
                yield place
            return
        for key, item in value.items():
            yield from _figures(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _figures(item, (*place, index))


_COUNTED = (
    *("accuracy", "accuracy_without_leaked", "balanced_accuracy", "recall", "ece", "drop", "agreement"),
    *("clean", "held_out"),
    *("worst_class_drop", "smallest_drop", "latency_p90", "latency_p95", "latency_p99"),
)


@pytest.mark.parametrize("name", _COUNTED)
def test_every_figure_that_is_counted_is_held_to_its_counts(plain_report: Report, name: str) -> None:
    document = json.loads(plain_report.model_dump_json())
    places = [place for place in _figures(document) if place[-1] == name]
    for place in (places[0], places[len(places) // 2], places[-1]):
        for end in ("value", "low"):
            changed = json.loads(plain_report.model_dump_json())
            figure = changed
            for key in place:
                figure = figure[key]
            if end == "value":
                figure["value"] = figure["value"] * 0.999 - 1e-4
            elif figure["interval"] is not None:
                figure["interval"]["low"] -= 0.001
            else:
                continue
            assert red(Report.model_validate(changed)), f"{place} {end}"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda r: r["artifacts"][1]["parity"].update(lost=1), "'lost' is 1, and the answers give"),
        (lambda r: r["artifacts"][1]["parity"].update(gained=99), "'gained' is 99"),
        (lambda r: r["artifacts"][1]["parity"].update(worst_class="fear"), "'worst_class' is fear"),
        (lambda r: r["artifacts"][1]["parity"].update(mcnemar_p=0.5001), "McNemar's p"),
        (lambda r: r["artifacts"][1]["parity"]["flips"].pop(), "flips are listed"),
        (lambda r: r["artifacts"][1]["accuracy"]["confusion"][0].reverse(), "'confusion' is not"),
        (lambda r: r["float_accuracy"]["reliability"].pop(), "bins of the calibration curve"),
        (lambda r: r["float_corrupted"].update(right=None), "under corruption are right is missing"),
        (lambda r: r["float_corrupted"].update(images=39), "under corruption cannot be counted"),
        (
            lambda r: r["artifacts"][0]["corrupted"]["kinds"][3]["accuracies"].pop(),
            "has 2 accuracies for 3 severities",
        ),
        (lambda r: r["dataset"].update(leaked=0), "the images in training too are 0, and 20 are marked"),
        (lambda r: r["dataset"]["per_class"].update(anger=1), "the images per class are"),
        (lambda r: r["dataset"].update(images=699), "cannot be counted: they are of 700 images"),
        (lambda r: r["images"].update(float_model="?"), "they are not base64"),
        (lambda r: r["images"]["artifacts"].pop("onnx-float"), "does not hold its answers"),
        (lambda r: r["artifacts"].append(r["artifacts"][0]), "executorch-float stands in the report 2 times"),
        (lambda r: r["between_targets"][1]["agreement"].update(value=0.5), "the agreement of executorch"),
    ],
)
def test_what_contradicts_is_said(
    plain_report: Report, edit: Callable[[dict[str, Any]], None], said: str
) -> None:
    assert said in red(edited(plain_report, edit))


def test_emulated_figures_cannot_be_called_measured(plain_report: Report) -> None:
    def edit(document: dict[str, Any]) -> None:
        figure = document["artifacts"][1]["accuracy"]["accuracy"]
        figure["conditions"]["emulation"] = "ML Program, fp16 rounding"

    assert "accuracy is called measured, and was emulated: ML Program" in red(edited(plain_report, edit))


def test_figures_of_one_run_have_one_provenance(plain_report: Report) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["artifacts"][1]["accuracy"]["ece"]["provenance"] = "emulated"

    assert "its figures are called emulated and measured, and all come from one run of it" in red(
        edited(plain_report, edit)
    )


def _unknown(value: Any) -> None:
    """Make a stored figure not measured."""
    value.update(value=None, interval=None, provenance="not measured", reason="nobody looked", samples=[])


class TestTheTestSet:
    def test_a_training_split_that_cannot_be_read_is_no_contradiction(self, plain_report: Report) -> None:
        faces = sample_faces(PLAIN_LABELS)
        faces = dataclasses.replace(
            faces, leaked=np.zeros(len(faces), bool), training_unknown="it is not here"
        )
        truth, account = Truth.of(faces), account_of(faces)
        answers = plain_report.images.answers(None, faces.labels, len(faces))
        dataset = plain_report.dataset.model_copy(update={"leaked": None, "account": account})
        images = ImageAnswers.of(truth, answers, {})
        figures = plain_report.float_accuracy.model_copy(update=counted_accuracy(answers, truth))
        report = plain_report.model_copy(
            update={"dataset": dataset, "images": images, "float_accuracy": figures, "artifacts": ()}
        ).model_copy(update={"between_targets": (), "devices": ()})
        assert red(report) == ""
        assert contradictions(reference_of(report)) == ()
        marked = images.model_copy(update={"leaked": plain_report.images.leaked})
        assert "is said not to be known" in red(report.model_copy(update={"images": marked}))

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"in_training": 0}, "disagree on the images in training too"),
            ({"images": 5}, "5 images were read by the account, and the report is of 700"),
            ({"repeated": 701}, "counts more images twice than there are"),
        ],
    )
    def test_the_account_is_held_to_the_images(
        self, plain_report: Report, change: dict[str, int], said: str
    ) -> None:
        def edit(document: dict[str, Any]) -> None:
            document["dataset"]["account"].update(change)

        assert said in red(edited(plain_report, edit))

    def test_no_image_at_all(self, plain_report: Report) -> None:
        def edit(document: dict[str, Any]) -> None:
            document["dataset"].update(images=0, per_class={})

        assert "nothing was tested" in red(edited(plain_report, edit))


def test_blanking_some_figures_does_not_hide_the_others(plain_report: Report) -> None:
    def edit(document: dict[str, Any]) -> None:
        artifact = document["artifacts"][1]
        _unknown(artifact["accuracy"]["accuracy"])
        _unknown(artifact["parity"]["agreement"])
        artifact["parity"]["drop"]["value"] = -5.0

    assert "drop is \N{MINUS SIGN}5.0 points [" in red(edited(plain_report, edit))


class TestTimings:
    def test_a_dropped_sample(self, plain_report: Report) -> None:
        def edit(document: dict[str, Any]) -> None:
            document["devices"][0]["figures"][0]["latency_p50"]["samples"].pop()

        assert "199 samples are kept of 200 runs" in red(edited(plain_report, edit))

    def test_a_cleared_verdict(self, plain_report: Report) -> None:
        def edit(document: dict[str, Any]) -> None:
            for timed in document["devices"][0]["figures"]:
                timed["invalid"] = []

        assert "the timing is called valid, and its conditions say 'INVALID" in red(
            edited(plain_report, edit)
        )

    def test_an_artifact_twice(self, plain_report: Report) -> None:
        def edit(document: dict[str, Any]) -> None:
            figures = document["devices"][0]["figures"]
            figures.append(figures[0])

        assert "is timed 2 times on" in red(edited(plain_report, edit))
