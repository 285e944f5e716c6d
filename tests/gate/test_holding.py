"""Every line of a budget is accounted for: it is about figures, or it is an error that names the nearest name."""

from __future__ import annotations

from typing import Any

import pytest

from fer_deploy.gate.figures import Expected
from fer_deploy.gate.holding import accounts, held, idle_lines, shadowed_lines
from fer_deploy.gate.judge import verdicts
from fer_deploy.gate.verdicts import Outcome, Verdict
from fer_deploy.report.schema import Report
from fixtures.budgets import budget_of, limits_of

PIXEL = Expected(also_called={"pixel-8": ("pixel",)})


def idle(report: Report, expected: Expected | None = None, **limits: Any) -> tuple[str, ...]:
    budget, expected = budget_of(**limits), expected or Expected()
    return idle_lines(report, budget, expected, held(report, budget, expected, {}))


def sizes(report: Report, **limits: Any) -> dict[tuple[str, str | None], str | None]:
    found = verdicts(report, budget_of(**limits), PIXEL, {})
    return {(one.subject, one.device): one.limit for one in found if one.figure == "size"}


class TestWhatIsAboutNothing:
    @pytest.mark.parametrize(
        ("limits", "said"),
        [
            (
                {"artifacts": {"onxx-*": {"max_flips": 1}}},
                '[budget.artifacts."onxx-*"] is about no artifact of the report or the configuration; '
                "the nearest name is 'onnx-float'",
            ),
            (
                {"devices": {"hosst": {"max_p90_ms": 1}}},
                '[budget.devices."hosst"] is about no device of the report or the configuration; '
                "the nearest name is 'host'",
            ),
            ({"devices": {"zzz": {"max_p90_ms": 1}}}, "; there are: host, pixel-8, iphone-15"),
            (
                {"artifacts": {"onnx-*": {"min_target_agreement": 90}}},
                '[budget.artifacts."onnx-*"] min_target_agreement = 90 judges nothing: it is about pairs of targets, '
                "so it belongs into [budget]",
            ),
            (
                {"devices": {"host": {"min_target_agreement": 90}}},
                '[budget.devices."host"] min_target_agreement = 90 judges nothing: it is about pairs',
            ),
        ],
    )
    def test_it_is_named_with_what_was_meant(
        self, plain_report: Report, limits: dict[str, Any], said: str
    ) -> None:
        for others in ({}, {"max_flips": 3.0}):
            (sentence,) = idle(plain_report, None, **limits, **others)
            assert said in sentence

    def test_pairs_need_two_targets(self, plain_report: Report) -> None:
        alone = plain_report.model_copy(update={"artifacts": plain_report.artifacts[:1]})
        (sentence,) = idle(alone, min_target_agreement=90)
        assert "no two artifacts are of one recipe" in sentence
        assert idle(alone, Expected(artifacts=("onnx-float",)), min_target_agreement=90) == ()

    def test_times_need_a_device(self, plain_report: Report) -> None:
        (sentence,) = idle(plain_report.model_copy(update={"devices": ()}), max_p90_ms=9)
        assert "no device runs an artifact that it is about" in sentence

    def test_a_pattern_of_a_target_that_the_device_does_not_run(self, plain_report: Report) -> None:
        only = plain_report.model_copy(update={"devices": plain_report.devices[1:2]})
        expected = Expected(targets_of={"pixel-8": ("executorch",)})
        (sentence,) = idle(only, expected, artifacts={"onnx-*": {"max_p90_ms": 9}})
        assert sentence.startswith(
            '[budget.artifacts."onnx-*"] max_p90_ms = 9 judges nothing: no device runs'
        )

    def test_a_table_without_a_line_of_its_own_left_is_looked_at_too(self, plain_report: Report) -> None:
        assert len(idle(plain_report, devices={"hosst": {}}, max_flips=1)) == 1

    def test_what_the_configuration_alone_names_is_something(self, plain_report: Report) -> None:
        expected = Expected(artifacts=("onnx-w8",), devices=("galaxy-s24",))
        tables = {"artifacts": {"onnx-w8": {"max_flips": 1}}, "devices": {"galaxy-s24": {"max_p90_ms": 1}}}
        assert idle(plain_report, expected, **tables) == ()


class TestAliases:
    @pytest.mark.parametrize("name", ["pixel", "pixel-8", "pix*"])
    def test_a_device_answers_to_all_its_names(self, plain_report: Report, name: str) -> None:
        assert idle(plain_report, PIXEL, devices={name: {"max_p90_ms": 5}}) == ()
        found = verdicts(plain_report, budget_of(devices={name: {"max_p90_ms": 5}}), PIXEL, {})
        assert {one.device for one in found if one.figure == "p90 latency"} == {"pixel-8"}

    def test_its_name_is_as_near_as_its_alias(self, plain_report: Report) -> None:
        for names in (("pixel", "pixel-8"), ("pixel-8", "pixel")):
            tables = {name: {"max_p90_ms": 5 if name == "pixel" else 3} for name in names}
            found = verdicts(plain_report, budget_of(devices=tables), PIXEL, {})
            assert {one.limit for one in found if one.figure == "p90 latency"} == {"at most 3 ms"}


class TestWhichLineHolds:
    def test_a_name_before_a_pattern_and_of_patterns_the_strictest(self, plain_report: Report) -> None:
        tables = {
            "*-float": {"max_size_kb": 2000},
            "onnx-*": {"max_size_kb": 3000},
            "onnx-float": {"max_size_kb": 4000},
            "coreml-*": {"max_size_kb": False},
        }
        for order in (tables, dict(reversed(tables.items()))):
            found = sizes(plain_report, artifacts=order)
            assert found["onnx-float", None] == "at most 4,000 KB"
            assert found["onnx-w8a8-qat", None] == "at most 3,000 KB"
            assert found["coreml-float", None] == "at most 2,000 KB", "a number before false"
            assert ("coreml-w8a8-qat", None) not in found

    def test_a_device_may_be_stricter_on_what_is_the_same_everywhere(self, plain_report: Report) -> None:
        found = sizes(plain_report, max_size_kb=5000, devices={"host": {"max_size_kb": 300}})
        assert found["onnx-float", None] == "at most 5,000 KB"
        assert found["onnx-float", "host"] == "at most 300 KB"
        assert ("onnx-float", "pixel-8") not in found

    def test_a_line_that_a_nearer_one_hides_is_noted(self, plain_report: Report) -> None:
        budget = budget_of(
            artifacts={"*": limits_of(max_size_kb=1)},
            devices={"host": limits_of(max_size_kb=2)},
            max_size_kb=3,
        )
        found = held(plain_report, budget, Expected(), {})
        assert idle_lines(plain_report, budget, Expected(), found) == ()
        assert shadowed_lines(budget, found) == (
            "[budget] max_size_kb = 3 holds nowhere: a nearer line does for each of its 9 figures",
            '[budget.devices."host"] max_size_kb = 2 holds nowhere: a nearer line does for each of its 9 figures',
        )
        assert [(one.figures, one.holds) for one in accounts(budget, found)] == [(9, 0), (9, 9), (9, 0)]

    def test_pairs_have_one_name_whatever_the_order(self, plain_report: Report) -> None:
        turned = plain_report.model_copy(update={"artifacts": plain_report.artifacts[::-1]})

        def pairs(report: Report) -> set[tuple[str, Outcome]]:
            found: tuple[Verdict, ...] = verdicts(report, budget_of(min_target_agreement=50), Expected(), {})
            return {(one.subject, one.outcome) for one in found if one.figure == "target agreement"}

        assert pairs(turned) == pairs(plain_report)
        assert ("executorch – onnx, w8a8-qat", Outcome.PASS) in pairs(turned)
