"""Two reports against each other, and what the ratchet makes of it."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from fer_deploy.gate.changes import against_reference, changes, comparable
from fer_deploy.gate.reference import reference_of
from fer_deploy.gate.verdicts import Change, Outcome
from fer_deploy.measure.measurement import Interval, Unit, measured, not_measured
from fer_deploy.report.schema import Report
from fixtures.reading import figures

KEY = "onnx-w8a8-qat"


def with_host(report: Report, **figures_of_key: Any) -> Report:
    host, *rest = report.devices
    rows = tuple(
        row.model_copy(update=figures_of_key) if row.artifact == KEY else row for row in host.figures
    )
    return report.model_copy(update={"devices": (host.model_copy(update={"figures": rows}), *rest)})


def with_artifact(report: Report, **update: Any) -> Report:
    return report.model_copy(
        update={
            "artifacts": tuple(
                one.model_copy(update=update) if one.key == KEY else one for one in report.artifacts
            )
        }
    )


def with_answers(report: Report, wrong: int, digest: str | None = "12" * 32) -> Report:
    """Return the report with the float model right on all images but the first ``wrong``."""
    images = report.dataset.images
    right = np.arange(images) >= wrong
    accuracy = report.float_accuracy.model_copy(
        update={
            "correct": base64.b64encode(np.packbits(right).tobytes()).decode(),
            "accuracy": measured(
                float(right.mean()), Unit.FRACTION, Interval(low=0.5, high=1.0, method="wide")
            ),
        }
    )
    dataset = report.dataset.model_copy(update={"sha256": digest})
    return report.model_copy(update={"float_accuracy": accuracy, "dataset": dataset})


def p90(value: float, half: float) -> Any:
    return measured(value, Unit.MILLISECONDS, Interval(low=value - half, high=value + half, method="95 %"))


def only(found: tuple[Change, ...]) -> Change:
    (change,) = found
    return change


def test_nothing_changes_from_a_report_to_itself(plain_report: Report) -> None:
    assert changes(plain_report, plain_report) == ()
    assert changes(reference_of(plain_report), plain_report) == ()
    (verdict,) = against_reference(plain_report, plain_report)
    assert verdict.outcome is Outcome.PASS


class TestLatency:
    def test_slower_beyond_noise(self, plain_report: Report) -> None:
        before = with_host(plain_report, latency_p90=p90(2.0, 0.05))
        change = only(changes(before, with_host(plain_report, latency_p90=p90(2.5, 0.05))))
        assert (change.kind, change.figure, change.device) == ("regression", "p90 latency", "host")
        assert change.message.startswith("unexplained")

    @pytest.mark.parametrize("after", [p90(2.15, 0.01), p90(2.5, 0.6), p90(2.0, 0.0)])
    def test_within_tolerance_or_interval(self, plain_report: Report, after: Any) -> None:
        before = with_host(plain_report, latency_p90=p90(2.0, 0.05))
        assert changes(before, with_host(plain_report, latency_p90=after)) == ()

    def test_times_without_intervals_prove_nothing(self, plain_report: Report) -> None:
        before = with_host(plain_report, latency_p90=measured(2.0, Unit.MILLISECONDS))
        assert changes(before, with_host(plain_report, latency_p90=measured(4.0, Unit.MILLISECONDS))) == ()

    def test_faster_by_another_runtime_is_explained(self, plain_report: Report) -> None:
        before = with_host(plain_report, latency_p90=p90(2.0, 0.05))
        after = with_host(plain_report, latency_p90=p90(1.0, 0.05), runtime="ONNX Runtime 2.0")
        change = only(changes(before, after))
        assert change.kind == "improvement"
        assert "ONNX Runtime 2.0" in change.message

    def test_a_device_or_a_timing_that_is_gone_is_one(self, plain_report: Report) -> None:
        found = changes(plain_report, plain_report.model_copy(update={"devices": ()}))
        assert {(one.figure, one.kind) for one in found} == {("median latency", "regression")}
        first, *others = plain_report.devices
        fewer = first.model_copy(update={"figures": first.figures[1:]})
        after = plain_report.model_copy(update={"devices": (fewer, *others)})
        assert [one.subject for one in changes(plain_report, after)] == [first.figures[0].artifact]

    def test_an_invalid_time_is_not_compared(self, plain_report: Report) -> None:
        before = with_host(plain_report, latency_p90=p90(2.0, 0.05))
        slow = with_host(plain_report, latency_p90=p90(6.0, 0.05), invalid=("drift",))
        assert changes(before, slow) == ()
        assert changes(slow, before) == ()

    def test_gone_is_a_regression(self, plain_report: Report) -> None:
        gone = with_host(plain_report, latency_p90=not_measured(Unit.MILLISECONDS, "no device"))
        assert only(changes(plain_report, gone)).kind == "regression"
        assert only(changes(gone, plain_report)).kind == "improvement"


class TestAccuracy:
    def test_same_images_are_compared_one_by_one(self, plain_report: Report) -> None:
        """The intervals overlap by far; image by image the loss is certain."""
        change = only(changes(with_answers(plain_report, 10), with_answers(plain_report, 30)))
        assert (change.kind, change.figure, change.subject) == ("regression", "accuracy", "float model")
        assert changes(with_answers(plain_report, 10), with_answers(plain_report, 11)) == ()

    def test_an_unexplained_improvement_is_told(self, plain_report: Report) -> None:
        change = only(changes(with_answers(plain_report, 30), with_answers(plain_report, 10)))
        assert change.kind == "improvement"
        assert change.message == "unexplained: model, data, file and tools are the same"

    def test_other_images_are_compared_by_intervals(self, plain_report: Report) -> None:
        assert changes(with_answers(plain_report, 10, "one"), with_answers(plain_report, 30, "other")) == ()

    def test_the_contract_is_named_as_a_cause(self, plain_report: Report) -> None:
        contract = plain_report.model.contract
        spec = contract.input.model_copy(update={"mean": (0.0,)})
        model = plain_report.model.model_copy(
            update={"contract": contract.model_copy(update={"input": spec}), "weights_sha256": "other"}
        )
        after = with_answers(plain_report, 30).model_copy(update={"model": model})
        message = only(changes(with_answers(plain_report, 10), after)).message
        assert "input.mean is [127.5] in the first and [0.0] in the second" in message
        assert "weights" in message


def test_size_from_one_per_cent(plain_report: Report) -> None:
    before = with_artifact(plain_report, size=measured(100_000, Unit.BYTES))
    assert changes(before, with_artifact(plain_report, size=measured(100_900, Unit.BYTES))) == ()
    change = only(
        changes(before, with_artifact(plain_report, size=measured(98_000, Unit.BYTES), sha256="new"))
    )
    assert (change.figure, change.kind) == ("size", "improvement")
    assert "the model file" in change.message


def test_an_artifact_that_is_gone(plain_report: Report) -> None:
    fewer = plain_report.model_copy(
        update={"artifacts": tuple(one for one in plain_report.artifacts if one.key != KEY)}
    )
    assert any(
        (one.figure, one.subject, one.kind) == ("artifact", KEY, "regression")
        for one in changes(plain_report, fewer)
    )


def test_what_must_not_be_compared(plain_report: Report) -> None:
    other = plain_report.model_copy(
        update={"model": plain_report.model.model_copy(update={"name": "fer_xs"})}
    )
    assert "fer_xs" in (comparable(other, plain_report) or "")
    (verdict,) = against_reference(other, plain_report)
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert comparable(plain_report, plain_report) is None


def test_images_are_known_by_their_content_and_a_path_is_a_label(plain_report: Report) -> None:
    moved = plain_report.dataset.model_copy(update={"name": "folder /elsewhere/test"})
    assert comparable(plain_report.model_copy(update={"dataset": moved}), plain_report) is None
    for digest in ("34" * 32, None):
        changed = plain_report.dataset.model_copy(update={"sha256": digest})
        other = plain_report.model_copy(update={"dataset": changed})
        (verdict,) = against_reference(other, plain_report)
        assert verdict.outcome is Outcome.NOT_MEASURED
        assert "measured on other images" in verdict.message
        assert "fer-deploy baseline" in verdict.message


def test_a_reference_that_was_edited_is_red(plain_report: Report) -> None:
    (verdict,) = against_reference(with_answers(plain_report, 300), plain_report)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.message.startswith("the reference contradicts itself: counts of float model: accuracy is ")


def test_a_regression_is_red(plain_report: Report) -> None:
    before = with_host(reference_of(plain_report), latency_p90=p90(2.0, 0.05))
    (verdict,) = against_reference(before, with_host(plain_report, latency_p90=p90(3.0, 0.05)))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.figure == "p90 latency against the reference"
    assert verdict.limit == "not worse than 2.00 ms"


def test_a_reference_holds_no_raw_sample_and_no_layer(plain_report: Report) -> None:
    reference = reference_of(plain_report)
    timed = [each for device in reference.devices for each in device.figures]
    assert not any(one.layers for one in reference.artifacts)
    assert not any(one.layers for one in timed)
    assert reference.graphs == ()
    assert not any(one.samples for one in figures(reference))
    assert any(one.samples for one in figures(plain_report))
    assert Report.model_validate_json(reference.model_dump_json()) == reference
