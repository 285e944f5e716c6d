"""Whether the model is the one that was measured: the same, changed and in what, or not to be known and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fer_deploy.frozen import Unknown
from fer_deploy.gate.integrity import integrity
from fer_deploy.gate.verdicts import Outcome, Verdict
from fer_deploy.model.origin import ModelFiles, Origin
from fer_deploy.report.schema import Report

SOURCES = {"my_net": "aa" * 32, "my_net.parts": "bb" * 32}


def of_factory(report: Report, unknown: str | None = None) -> Report:
    return report.model_copy(update={"origin": Origin(sources=SOURCES, unknown=unknown)})


def now(
    report: Report, sources: dict[str, str] = SOURCES, unknown: str | None = None, **changed: Any
) -> ModelFiles:
    values: dict[str, Any] = {
        "name": report.model.name,
        "where": "my_net:build",
        "contract": report.model.contract,
        "weights_sha256": report.model.weights_sha256,
        "origin": Origin(sources=sources, unknown=unknown),
    }
    return ModelFiles(**(values | changed))


def judged(report: Report, current: ModelFiles | Unknown) -> Verdict:
    return integrity(report, Path("report.json"), current)[0]


def test_the_same(plain_report: Report) -> None:
    report = of_factory(plain_report)
    assert judged(report, now(report)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sources": SOURCES | {"my_net.parts": "c" * 64}}, "my_net:build was changed since the run: my_net.parts"),
        ({"sources": {"my_net": "aa" * 32}}, "was changed since the run: my_net.parts"),
        ({"sources": SOURCES | {"extra": "cc" * 32}}, "was changed since the run: extra"),
        ({"sources": SOURCES | {"my_net": "cc" * 32}, "unknown": "x"}, "was changed since the run: my_net"),
        ({"weights_sha256": "cc" * 32}, "the weights of my_net:build are not those that were reported on"),
        ({"name": "other"}, "the configuration names 'other'"),
    ],
)  # fmt: skip
def test_changed_and_in_what(plain_report: Report, changed: dict[str, Any], said: str) -> None:
    report = of_factory(plain_report)
    verdict = judged(report, now(report, **changed))
    assert verdict.outcome is Outcome.FAIL
    assert said in verdict.message


def test_not_to_be_known_is_not_measured(plain_report: Report) -> None:
    doubtful = of_factory(plain_report, "helper.py, line 2, imports by a name")
    for report, current in (
        (plain_report, Unknown(reason="model my_net:build is not here")),
        (of_factory(plain_report), now(plain_report, unknown="helper.py, line 2, runs code")),
        (doubtful, now(plain_report)),
    ):
        verdict = judged(report, current)
        assert verdict.outcome is Outcome.NOT_MEASURED
        assert verdict.message.startswith("whether the model is the one that was measured cannot be known: ")
