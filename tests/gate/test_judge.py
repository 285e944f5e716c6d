"""The gate on reports with known figures: what passes, what fails, and what is not known well enough."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from fer_deploy.data.faces import Faces
from fer_deploy.gate.budget import Budget, Waiver
from fer_deploy.gate.counts import contradictions
from fer_deploy.gate.figures import Expected
from fer_deploy.gate.judge import verdicts
from fer_deploy.gate.limits import LIMITS
from fer_deploy.gate.verdicts import Check, Outcome, Verdict
from fer_deploy.gate.waivers import apply_waivers
from fer_deploy.measure.counted import ImageAnswers, Truth, drop_measurement, proportion
from fer_deploy.measure.measurement import Interval, Measurement, Provenance, Unit, measured, not_measured
from fer_deploy.measure.parity import accuracy_figures, parity_figures
from fer_deploy.report.schema import ArtifactReport, DatasetSummary, Report
from fixtures.budgets import budget_of, limits_of
from fixtures.sample_report import PLAIN_LABELS, sample_faces

KEY = "onnx-w8a8-qat"
TODAY = datetime.date(2026, 6, 1)


def judge(
    report: Report, expected: Expected | None = None, profiles: Any = None, **limits: Any
) -> tuple[Verdict, ...]:
    return verdicts(report, budget_of(**limits), expected or Expected(), profiles or {})


def one(found: tuple[Verdict, ...], figure: str, subject: str = KEY, device: str | None = None) -> Verdict:
    (verdict,) = [v for v in found if (v.figure, v.subject, v.device) == (figure, subject, device)]
    return verdict


def check_of(found: tuple[Verdict, ...]) -> Check:
    return Check(created="", report="", report_sha256="", model="m", verdicts=found)


def with_artifact(report: Report, key: str = KEY, **changed: Any) -> Report:
    """Return the report with parts of one artifact's figures replaced; ``parity__x`` names a parity figure."""

    def change(artifact: ArtifactReport) -> ArtifactReport:
        if artifact.key != key:
            return artifact
        update: dict[str, Any] = {}
        for name, value in changed.items():
            group, _, field = name.partition("__")
            if field:
                group_now = update.get(group, getattr(artifact, group))
                update[group] = group_now.model_copy(update={field: value})
            else:
                update[group] = value
        return artifact.model_copy(update=update)

    return report.model_copy(update={"artifacts": tuple(change(artifact) for artifact in report.artifacts)})


def with_drop(report: Report, lost: int, gained: int) -> Report:
    drop = drop_measurement(lost, gained, report.dataset.images)
    return with_artifact(report, parity__drop=drop, parity__lost=lost, parity__gained=gained)


class TestAccuracyDrop:
    def test_passes_when_the_bound_is_within(self, plain_report: Report) -> None:
        report = with_drop(plain_report, 3, 3)
        drop = one(judge(report, max_accuracy_drop=2.0), "accuracy drop")
        assert drop.outcome is Outcome.PASS
        assert drop.value is not None
        assert drop.value.interval is not None
        assert drop.value.interval.high < 2.0

    def test_fails_when_the_value_exceeds(self, plain_report: Report) -> None:
        drop = one(judge(with_drop(plain_report, 40, 5), max_accuracy_drop=2.0), "accuracy drop")
        assert drop.outcome is Outcome.FAIL
        assert "+5.0 points" in drop.message
        assert "is not at most 2 points" in drop.message

    def test_too_few_images_fail_and_say_how_many_it_takes(self, plain_report: Report) -> None:
        drop = one(judge(with_drop(plain_report, 8, 5), max_accuracy_drop=1.0), "accuracy drop")
        assert drop.outcome is Outcome.FAIL
        assert "700 test images are too few" in drop.message
        needed = int(drop.message.split("about ")[1].split(" like")[0].replace(",", ""))
        assert needed > 700
        bound = drop_measurement(round(8 * needed / 700), round(5 * needed / 700), needed).interval
        assert bound is not None
        assert bound.high == pytest.approx(1.0, abs=0.05), "that many images do show it"

    def test_a_drop_of_0_cannot_be_shown_and_the_way_is_named(self, plain_report: Report) -> None:
        report = with_artifact(
            with_drop(plain_report, 0, 0), parity__flips=(), parity__agreement=proportion(np.ones(700, bool))
        )
        for key in ("max_accuracy_drop", "max_flips"):
            verdict = one(judge(report, None, None, **{key: 0.0}), LIMITS[key].figure)
            assert verdict.outcome is Outcome.FAIL
            assert "no number of images brings it to just the limit" in verdict.message
            assert verdict.message.endswith("use --max-flipped-images")
        counted = one(judge(report, max_flipped_images=0), "flipped images")
        assert (counted.outcome, counted.message) == (Outcome.PASS, "0")

    def test_a_drop_just_at_the_budget_is_no_excess_but_not_shown(self, plain_report: Report) -> None:
        drop = one(judge(with_drop(plain_report, 7, 0), max_accuracy_drop=1.0), "accuracy drop")
        assert drop.outcome is Outcome.FAIL
        assert "+1.0 points" in drop.message
        assert "is at most 1 points, but an interval's end is judged" in drop.message

    def test_equal_answers_on_few_images_prove_little(self, plain_report: Report) -> None:
        drop = one(judge(with_drop(plain_report, 0, 0), max_accuracy_drop=0.1), "accuracy drop")
        assert drop.outcome is Outcome.FAIL
        assert "too few" in drop.message


@pytest.mark.parametrize("least", [True, False])
@pytest.mark.parametrize(
    ("key", "figure", "tight", "loose"),
    [
        ("max_worst_class_drop", "worst-class recall drop", 0.1, 60.0),
        ("max_flips", "flips", 0.0, 100.0),
        ("max_flipped_images", "flipped images", 1.0, 700.0),
        ("max_ece_shift", "ECE shift", 0.0, 100.0),
        ("max_size_kb", "size", 428, 429),
        ("min_accuracy", "accuracy", 100.0, 50.0),
    ],
)
def test_each_limit_can_be_met_and_exceeded(
    plain_report: Report, key: str, figure: str, tight: float, loose: float, least: bool
) -> None:
    limit = tight if least else loose
    verdict = one(judge(plain_report, None, None, **{key: limit}), figure)
    assert verdict.outcome is (Outcome.FAIL if least else Outcome.PASS)
    assert verdict.limit is not None


def test_latency_is_held_to_the_worse_end_of_its_interval(plain_report: Report) -> None:
    (host, *rest) = plain_report.devices
    p90 = measured(2.0, Unit.MILLISECONDS, Interval(low=1.9, high=2.4, method="95 %"))
    figures = tuple(
        row.model_copy(update={"latency_p90": p90}) if row.artifact == KEY else row for row in host.figures
    )
    report = plain_report.model_copy(
        update={"devices": (host.model_copy(update={"figures": figures}), *rest)}
    )
    assert one(judge(report, max_p90_ms=2.5), "p90 latency", device="host").outcome is Outcome.PASS
    tight = one(judge(report, max_p90_ms=2.2), "p90 latency", device="host")
    assert tight.outcome is Outcome.FAIL
    assert "quiet device" in tight.message


def test_an_invalid_timing_is_not_a_figure(plain_report: Report) -> None:
    (host, *rest) = plain_report.devices
    figures = tuple(row.model_copy(update={"invalid": ("9 of at least 300 runs",)}) for row in host.figures)
    report = plain_report.model_copy(
        update={"devices": (host.model_copy(update={"figures": figures}), *rest)}
    )
    verdict = one(judge(report, max_p90_ms=1000.0), "p90 latency", device="host")
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert verdict.message == "the timing is INVALID: 9 of at least 300 runs"


def test_a_time_without_an_interval_is_not_a_figure(plain_report: Report) -> None:
    (host, *rest) = plain_report.devices
    rows = tuple(
        row.model_copy(update={"latency_p90": measured(2.0, Unit.MILLISECONDS)}) for row in host.figures
    )
    report = plain_report.model_copy(update={"devices": (host.model_copy(update={"figures": rows}), *rest)})
    verdict = one(judge(report, max_p90_ms=1000.0), "p90 latency", device="host")
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert "too few runs" in verdict.message


class TestProvenance:
    def test_emulated_is_not_measured(self, plain_report: Report) -> None:
        verdict = one(judge(plain_report, max_flips=100.0), "flips", "coreml-w8a8-qat")
        assert verdict.outcome is Outcome.NOT_MEASURED
        assert "is emulated, and the budget accepts measured figures only" in verdict.message
        assert 'accept = ["emulated"]' in verdict.message
        assert "--accept emulated" in verdict.message

    def test_emulated_passes_where_it_is_accepted(self, plain_report: Report) -> None:
        found = judge(plain_report, max_flips=100.0, accept=("measured", "emulated"))
        assert one(found, "flips", "coreml-w8a8-qat").outcome is Outcome.PASS
        assert one(found, "flips", "coreml-w8a8-ptq").outcome is Outcome.NOT_MEASURED, "has no figure at all"

    def test_estimates_are_held_to_their_upper_end(self, plain_report: Report) -> None:
        (host, phone, *rest) = plain_report.devices
        rows = tuple(row.model_copy(update={"latency_p90": row.latency_p50}) for row in phone.figures)
        report = plain_report.model_copy(
            update={"devices": (host, phone.model_copy(update={"figures": rows}), *rest)}
        )
        estimate = rows[0].latency_p90
        assert estimate.provenance is Provenance.ESTIMATED
        assert estimate.interval is not None
        high, key = estimate.interval.high, rows[0].artifact
        accept = ("measured", "estimated")
        below = judge(report, max_p90_ms=high - 0.01, accept=accept)
        above = judge(report, max_p90_ms=high + 0.01, accept=accept)
        assert one(below, "p90 latency", key, "pixel-8").outcome is Outcome.FAIL
        assert one(above, "p90 latency", key, "pixel-8").outcome is Outcome.PASS
        assert (
            one(judge(report, max_p90_ms=1e6), "p90 latency", key, "pixel-8").outcome is Outcome.NOT_MEASURED
        )


class TestWhatIsMissing:
    def test_a_skipped_target_is_not_green(self, plain_report: Report) -> None:
        report = plain_report.model_copy(
            update={"artifacts": tuple(a for a in plain_report.artifacts if a.target == "onnx")}
        )
        found = judge(report, Expected(artifacts=(KEY, "executorch-w8a8-qat")), max_flips=100.0)
        assert one(found, "artifact", "executorch-w8a8-qat").outcome is Outcome.NOT_MEASURED
        assert one(found, "flips", "executorch-w8a8-qat").outcome is Outcome.NOT_MEASURED
        assert check_of(found).exit_code == 4

    def test_a_skipped_device_is_not_green(self, plain_report: Report) -> None:
        found = judge(plain_report, Expected(devices=("galaxy-s24",)), max_p90_ms=1e6)
        assert one(found, "device", "every artifact", "galaxy-s24").outcome is Outcome.NOT_MEASURED
        assert one(found, "p90 latency", KEY, "galaxy-s24").outcome is Outcome.NOT_MEASURED

    def test_what_a_device_does_not_run_is_not_missed(self, plain_report: Report) -> None:
        expected = Expected(devices=("pixel-8",), targets_of={"pixel-8": ("executorch", "onnx")})
        found = judge(plain_report, expected, max_p90_ms=1e6)
        assert not [v for v in found if v.device == "pixel-8" and v.subject.startswith("coreml")]

    def test_a_pair_of_targets_that_was_not_compared(self, plain_report: Report) -> None:
        found = judge(plain_report, min_target_agreement=50.0)
        pair = one(found, "target agreement", "executorch – coreml, w8a8-ptq")
        assert pair.outcome is Outcome.NOT_MEASURED
        assert "macOS" in pair.message
        assert one(found, "target agreement", "executorch – onnx, w8a8-qat").outcome is Outcome.PASS

    def test_a_class_without_images(self, plain_report: Report) -> None:
        counts = plain_report.dataset.per_class | {"disgust": 0}
        report = plain_report.model_copy(
            update={"dataset": plain_report.dataset.model_copy(update={"per_class": counts})}
        )
        found = judge(report, max_worst_class_drop=100.0)
        for verdict in (one(found, "test set", "float model"), one(found, "worst-class recall drop")):
            assert verdict.outcome is Outcome.NOT_MEASURED
            assert "no image of disgust" in verdict.message

    def test_nothing_judged_is_not_green(self) -> None:
        assert check_of(()).exit_code == 4


class TestWhereLimitsHold:
    def test_the_nearest_limit_holds(self, plain_report: Report) -> None:
        budget = {
            "max_size_kb": 500.0,
            "artifacts": {"*-float": {"max_size_kb": 2000.0}, "coreml-*": {"max_size_kb": False}},
        }
        found = judge(plain_report, None, None, **budget)
        assert one(found, "size", "onnx-float").outcome is Outcome.PASS
        assert one(found, "size", "onnx-w8a8-qat").limit == "at most 500 KB"
        assert not [v for v in found if v.figure == "size" and v.subject == "coreml-w8a8-qat"]

    def test_a_device_of_its_own(self, plain_report: Report) -> None:
        found = judge(plain_report, devices={"host": {"max_p90_ms": 1e6}})
        assert {v.device for v in found if v.figure == "p90 latency"} == {"host"}

    def test_a_device_profile_limits_what_runs_on_it(self, plain_report: Report) -> None:
        profiles = {"host": limits_of(max_p90_ms=1e-6, max_size_kb=1.0)}
        found = judge(plain_report, profiles=profiles)
        assert one(found, "p90 latency", device="host").outcome is Outcome.FAIL
        assert one(found, "size", device="host").outcome is Outcome.FAIL
        assert one(judge(plain_report, profiles=profiles, max_size_kb=1e6), "size").outcome is Outcome.PASS

    def test_flags_override_every_table(self) -> None:
        budget = budget_of(max_flips=1.0, artifacts={"onnx-*": limits_of(max_flips=5.0, max_size_kb=3.0)})
        flagged = budget.overridden({"max_flips": 2.0, "max_size_kb": None}, ("estimated",))
        assert {line.name for line in flagged.lines()} == {
            "[budget] max_flips = 2",
            '[budget.artifacts."onnx-*"] max_size_kb = 3',
        }
        assert flagged.accept == ("estimated",)
        assert flagged.accepts(Provenance.MEASURED), "--accept adds"
        assert not Budget().lines()

    def test_a_limit_of_nothing_at_all_is_a_limit(self) -> None:
        assert budget_of(max_flips=0).said(LIMITS["max_flips"]) is not False
        for budget in (budget_of(max_flips=0), Budget().overridden({"max_flips": 0.0}, ())):
            assert [line.value for line in budget.lines()] == [0.0]


class TestWaivers:
    def verdict(self, figure: str = "size", device: str | None = None) -> Verdict:
        return Verdict(figure=figure, subject=KEY, device=device, outcome=Outcome.FAIL, message="too large")

    def waiver(self, **changed: Any) -> Waiver:
        return Waiver.model_validate(
            {"figure": "size", "until": TODAY, "reason": "a smaller one is coming"} | changed
        )

    def test_excuses_until_its_date(self) -> None:
        found, notes = apply_waivers((self.verdict(),), (self.waiver(),), TODAY)
        assert notes == ()
        assert found[0].waived is not None
        assert found[0].outcome is Outcome.FAIL, "it still says what is wrong"
        assert check_of((*found, self.verdict().model_copy(update={"outcome": Outcome.PASS}))).exit_code == 0

    def test_ends(self) -> None:
        found, (note,) = apply_waivers(
            (self.verdict(),), (self.waiver(),), TODAY + datetime.timedelta(days=1)
        )
        assert found[0].waived is None
        assert "has ended" in note

    def test_only_what_it_names(self) -> None:
        for other in (
            self.waiver(artifact="coreml-*"),
            self.waiver(figure="flips"),
            self.waiver(device="host"),
        ):
            found, (note,) = apply_waivers((self.verdict(),), (other,), TODAY)
            assert found[0].waived is None
            assert "excuses nothing" in note
        assert apply_waivers((self.verdict(device="host"),), (self.waiver(device="h*"),), TODAY)[0][0].waived

    def test_never_integrity(self) -> None:
        found, (note,) = apply_waivers((self.verdict("integrity"),), (self.waiver(figure="*"),), TODAY)
        assert found[0].waived is None
        assert "cannot be waived" in note

    @pytest.mark.parametrize("missing", ["until", "reason", "figure"])
    def test_needs_its_date_and_reason(self, missing: str) -> None:
        line = {"figure": "size", "until": "2026-01-01", "reason": "why"}
        del line[missing]
        with pytest.raises(ValueError, match=missing):
            Waiver.model_validate(line)


def test_a_model_that_knows_nothing_loses_nothing_and_is_red(plain_report: Report) -> None:
    accuracy = measured(0.18, Unit.FRACTION, Interval(low=0.15, high=0.21, method="95 %, Wilson"))
    report = plain_report.model_copy(
        update={"float_accuracy": plain_report.float_accuracy.model_copy(update={"accuracy": accuracy})}
    )
    verdict = one(judge(report), "better than guessing", "float model")
    assert verdict.outcome is Outcome.FAIL
    assert "always answering" in verdict.message


def test_a_known_cause_is_named(plain_report: Report) -> None:
    report = with_drop(with_artifact(plain_report, diagnosis="the channels are swapped"), 300, 1)
    assert one(judge(report, max_accuracy_drop=1.0), "accuracy drop").message.endswith(
        "Cause: the channels are swapped"
    )


def test_every_unmet_rule_of_a_measurement_is_said_in_its_own_words(plain_report: Report) -> None:
    gap: Measurement = not_measured(Unit.BYTES, "the file was not written")
    assert one(judge(with_artifact(plain_report, size=gap), max_size_kb=1.0), "size").message == gap.reason


class TestSmallAndIgnorant:
    """Reports counted from answers of the test's own making."""

    def report(self, plain_report: Report, faces: Faces, logits: Any, other: Any) -> Report:
        counts = np.bincount(faces.targets, minlength=len(faces.labels))
        truth = Truth.of(faces)
        artifact = plain_report.artifacts[1].model_copy(
            update={
                "accuracy": accuracy_figures(other, faces),
                "parity": parity_figures(logits, other, faces),
                "corrupted": None,
            }
        )
        return plain_report.model_copy(
            update={
                "dataset": DatasetSummary(
                    name="few",
                    images=len(faces),
                    leaked=int(faces.leaked.sum()),
                    per_class=dict(zip(faces.labels, map(int, counts), strict=True)),
                    sha256="0" * 64,
                ),
                "images": ImageAnswers.of(truth, logits.argmax(1), {artifact.key: other.argmax(1)}),
                "float_accuracy": accuracy_figures(logits, faces),
                "float_corrupted": None,
                "artifacts": (artifact,),
                "between_targets": (),
            }
        )

    def test_twenty_images_prove_little_and_say_so(self, plain_report: Report) -> None:
        faces = sample_faces(PLAIN_LABELS, 20)
        logits = (5 * faces.distribution).astype(np.float32)
        report = self.report(plain_report, faces, logits, logits)
        assert contradictions(report) == ()
        found = judge(report, max_accuracy_drop=1.0, max_flipped_images=0)
        key = report.artifacts[0].key
        drop = one(found, "accuracy drop", key)
        assert drop.outcome is Outcome.FAIL
        assert "20 test images are too few to show it: about" in drop.message
        assert one(found, "flipped images", key).outcome is Outcome.PASS
        smallest = report.artifacts[0].parity.smallest_drop.value
        assert smallest is not None
        assert smallest > 10
        for limit, outcome in ((smallest + 0.01, Outcome.PASS), (smallest - 0.01, Outcome.FAIL)):
            assert one(judge(report, max_accuracy_drop=limit), "accuracy drop", key).outcome is outcome

    def test_a_model_at_chance_level_is_red_whatever_it_keeps(self, plain_report: Report) -> None:
        faces = sample_faces(PLAIN_LABELS, 700)
        logits = np.random.default_rng(5).normal(size=(700, 7)).astype(np.float32)
        report = self.report(plain_report, faces, logits, logits)
        assert contradictions(report) == ()
        found = judge(report, max_flipped_images=0, max_accuracy_drop=50.0)
        assert one(found, "flipped images", report.artifacts[0].key).outcome is Outcome.PASS
        assert one(found, "better than guessing", "float model").outcome is Outcome.FAIL
        assert check_of(found).exit_code == 3
