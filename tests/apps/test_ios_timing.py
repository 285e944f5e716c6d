"""The example of the iOS demo's ``timing.json`` is what Python reads; test_swift.py holds that the app writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps import make_artifact
from apps.conftest import REPOSITORY
from fer_deploy.devices.runners.ios_job import protocol_of, read_ios_timing
from fer_deploy.devices.runners.job import INPUTS, LOGITS
from fer_deploy.devices.timing import TimingResult
from fer_deploy.targets.artifact import ArtifactInfo
from fer_deploy.targets.golden import Golden

EXAMPLE = REPOSITORY / "ios_demo/docs/timing-example.json"
JOB = REPOSITORY / "ios_demo/Core/Sources/FerDemoCore/BenchmarkJob.swift"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(EXAMPLE.read_text())
    return document


@pytest.fixture(scope="module")
def info() -> ArtifactInfo:
    return ArtifactInfo.model_validate_json(make_artifact.files()["artifact.json"])


def test_it_is_tied_to_the_artifact(example: dict[str, Any], info: ArtifactInfo) -> None:
    stated = info.model_dump(include={"model", "target", "recipe", "file", "sha256", "weights_sha256"})
    key = f"{info.target}-{info.recipe}"
    assert example["artifact"] == {**stated, "contract_sha256": info.contract.sha256, "key": key}


def test_profile_reads_it() -> None:
    result = read_ios_timing(EXAMPLE)
    assert result.phone == "iPhone16,1 with iOS 17.5.1"
    protocol = protocol_of(result)
    assert protocol is not None
    assert (protocol.warmups, protocol.min_runs) == (2, 5)


def test_its_timing_has_the_members_of_every_runner_s_result(example: dict[str, Any]) -> None:
    result = TimingResult.model_validate(example["timing"])
    assert result.threads is None, "Core ML does not tell"
    assert result.samples_ms == (1.0,) * 5
    assert result.golden_tolerance == example["golden"]["tolerance"]


def test_its_golden_answers_are_those_of_golden_json(example: dict[str, Any]) -> None:
    golden = Golden.model_validate_json(make_artifact.files()["golden.json"])
    assert [one["name"] for one in example["golden"]["vectors"]] == [one.name for one in golden.vectors]
    for answered, vector in zip(example["golden"]["vectors"], golden.vectors, strict=True):
        assert answered["logits"] == pytest.approx(vector.logits, abs=golden.max_abs_difference)


def test_what_is_not_known_is_null_and_has_a_reason(example: dict[str, Any]) -> None:
    for state in (example["before"], example["after"]):
        nulls = {name for name, value in state.items() if value is None}
        assert nulls == set(state["missing"])


def test_both_sides_call_the_job_s_files_the_same() -> None:
    text = JOB.read_text()
    assert f'inputs = "{INPUTS}"' in text
    assert f'logits = "{LOGITS}"' in text
