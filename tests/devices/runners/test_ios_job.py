"""What the iOS demo wrote is of this artifact or of none, and its answers are held to the golden ones again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_deploy.cli import main
from fer_deploy.devices.runners.ios_job import IosTiming, is_about, read_ios_timing, timing_of
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact, open_artifact
from fixtures.ios_phone import EXAMPLE, written_by_phone
from fixtures.lowered import Lower


@pytest.fixture
def artifact(lowered: Lower) -> Artifact:
    return lowered("coreml", "float")[0]


def write(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "timing.json"
    path.write_text(json.dumps(document))
    return path


def test_the_apps_own_example_is_read() -> None:
    """ios_demo/docs/timing-example.json is written by the app's encoder, in its Swift tests."""
    result = read_ios_timing(EXAMPLE)
    assert result.error is None
    assert result.timing is not None
    assert result.timing.threads is None
    assert len(result.timing.samples_ms) >= 1


def test_a_result_gives_measured_figures(artifact: Artifact, tmp_path: Path) -> None:
    path = write(tmp_path, written_by_phone(artifact))
    arguments = ["profile", str(artifact.folder), "--device", "iphone", "--result", str(path), "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["name"], report["asked"]) == ("iphone-15-pro", "iphone")
    (figures,) = report["figures"]
    typical = figures["latency_p50"]
    assert typical["provenance"] == "measured"
    assert typical["value"] == pytest.approx(0.45)
    assert figures["invalid"] == []
    assert figures["threads"] is None
    assert figures["runtime"] == "Core ML of iOS 17.5.1 (21F90) in the iOS demo"
    said = typical["conditions"]
    assert said["compute units"] == "cpuAndNeuralEngine"
    assert said["from"] == "timing.json"
    assert said["thermal state after"] == "nominal"
    assert said["threads"] == "not known: the runtime chooses"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"after": {"thermal_state": "serious"}}, "throttled: iOS's thermal state is serious"),
        ({"before": {"low_power_mode": True}}, "low power mode is on"),
        ({"timing": {"samples_ms": [0.4] * 20}}, "too few samples"),
    ],
)
def test_what_speaks_against_a_timing_is_said(
    artifact: Artifact, tmp_path: Path, changed: dict[str, dict[str, Any]], said: str
) -> None:
    document = written_by_phone(artifact)
    for key, values in changed.items():
        document[key] |= values
    path = write(tmp_path, document)
    arguments = [
        "profile",
        str(artifact.folder),
        "--device",
        "iphone-15-pro",
        "--result",
        str(path),
        "--json",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert said in json.loads(result.stdout)["figures"][0]["invalid"][0]
    assert said in result.stderr


def test_wrong_answers_are_found_whatever_the_app_says_of_them(artifact: Artifact, tmp_path: Path) -> None:
    document = written_by_phone(artifact)
    document["golden"]["vectors"][0]["logits"][0] += 1.0
    timing = timing_of(read_ios_timing(write(tmp_path, document)), artifact, "x")
    assert timing.golden_difference == pytest.approx(1.0, abs=1e-3)
    document["golden"]["vectors"][0]["logits"][0] = None
    timing = timing_of(read_ios_timing(write(tmp_path, document)), artifact, "x")
    assert timing.golden_difference is not None
    assert np.isnan(timing.golden_difference)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("made_by",), "somebody", "is no timing.json of the iOS demo"),
        (("schema_version",), "9.0", "is no timing.json of the iOS demo"),
        (("device", "simulator"), True, "comes from a simulator"),
        (
            ("device", "model_identifier"),
            "iPhone17,3",
            "the phone is iPhone17,3, profile 'iphone-15-pro' wants",
        ),
        (("artifact", "sha256"), "0" * 64, "it was exported again, or with another contract"),
        (("artifact", "contract_sha256"), "0" * 64, "it was exported again, or with another contract"),
        (("artifact", "key"), "coreml-w8", "is not among the artifacts given"),
        (("timing", "samples_ms"), [0.4, -1.0], "a time must be finite and not negative"),
        (("timing", "samples_ms"), [0.4, "x"], "is no timing.json of the iOS demo"),
        (("surprise",), 1, "is no timing.json of the iOS demo"),
    ],
)
def test_what_is_no_result_of_the_artifact_is_refused(
    artifact: Artifact, tmp_path: Path, path: tuple[str, ...], value: Any, said: str
) -> None:
    document = written_by_phone(artifact)
    *outer, last = path
    inner = document
    for key in outer:
        inner = inner[key]
    inner[last] = value
    if last == "key":
        document["artifact"]["sha256"] = "0" * 64
    file = write(tmp_path, document)
    arguments = ["profile", str(artifact.folder), "--device", "iphone-15-pro", "--result", str(file)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_job_that_failed_on_the_phone_is_not_measured(artifact: Artifact, tmp_path: Path) -> None:
    document = written_by_phone(artifact) | {"timing": None, "error": "the model cannot be compiled"}
    path = write(tmp_path, document)
    arguments = ["profile", str(artifact.folder), "--device", "iphone", "--result", str(path), "--json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 4, result.output
    typical = json.loads(result.stdout)["figures"][0]["latency_p50"]
    assert typical["provenance"] == "not measured"
    assert "failed: the model cannot be compiled" in typical["reason"]
    assert "nothing was measured on Apple iPhone 15 Pro" in result.stderr


def test_two_phones_or_two_results_of_one_artifact_are_refused(artifact: Artifact, tmp_path: Path) -> None:
    one = write(tmp_path, written_by_phone(artifact))
    (tmp_path / "b").mkdir()
    other = write(tmp_path / "b", written_by_phone(artifact))
    named = [
        "profile",
        str(artifact.folder),
        "--device",
        "iphone",
        "--result",
        str(one),
        "--result",
        str(other),
    ]
    result = CliRunner().invoke(main, named)
    assert result.exit_code == 2
    assert "two of the results are of one artifact" in result.stderr
    document = written_by_phone(artifact)
    document["device"]["model_identifier"] = "iPhone17,3"
    write(tmp_path / "b", document)
    result = CliRunner().invoke(main, named)
    assert result.exit_code == 2
    assert "come from different phones" in result.stderr


def test_a_run_takes_in_what_the_phone_measured_and_the_gate_judges_it(
    model_folder: Path, faces_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run, its artifact to the phone, what the app wrote into [profile] results, and the same run again."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "fer-deploy.toml"
    text = f"""
        [model]
        path = '{model_folder}'
        [data]
        kind = "folder"
        path = '{faces_folder}'
        [export]
        targets = ["coreml"]
        recipes = ["float"]
        [profile]
        devices = ["iphone"]
        {{results}}
        [budget]
        max_p90_ms = 5.0
    """
    config.write_text(text.format(results=""))
    assert CliRunner().invoke(main, ["run"]).exit_code == 0
    (folder,) = tmp_path.glob("dist/*/coreml-float")
    write(tmp_path, written_by_phone(open_artifact(folder)))
    assert CliRunner().invoke(main, ["check"]).exit_code == 4
    config.write_text(text.format(results='results = ["timing.json"]'))
    result = CliRunner().invoke(main, ["run", "--json"])
    assert result.exit_code == 0, result.output
    (device,) = json.loads(result.stdout)["devices"]
    assert (device["name"], device["asked"]) == ("iphone-15-pro", "iphone")
    assert device["figures"][0]["latency_p90"]["provenance"] == "measured"
    checked = CliRunner().invoke(main, ["check"])
    assert checked.exit_code == 0, checked.output
    assert "iphone-15-pro" in checked.output
    config.write_text(text.format(results='results = ["timing.json"]').replace('"iphone"', '"host"'))
    result = CliRunner().invoke(main, ["run"])
    assert result.exit_code == 2
    assert "devices names none" in result.stderr


def test_what_the_demo_alone_runs_is_started_by_no_other_runner(artifact: Artifact) -> None:
    result = CliRunner().invoke(main, ["layers", str(artifact.folder)])
    assert result.exit_code == 2, result.output
    assert "there is no runner for coreml; it runs executorch and onnx" in result.stderr


def test_another_artifact_is_not_taken_for_it(artifact: Artifact, lowered: Lower, tmp_path: Path) -> None:
    result = read_ios_timing(write(tmp_path, written_by_phone(artifact)))
    assert is_about(result, artifact)
    assert not is_about(result, lowered("coreml", "w8a8-ptq")[0])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_one_sentence(artifact: Artifact, tmp_path: Path, data: st.DataObject) -> None:
    """Any one value in it may be anything: it is refused in a sentence, or what it says is within the schema."""
    document = written_by_phone(artifact)
    inner: Any = document
    while isinstance(inner, (dict, list)) and inner:
        keys = sorted(inner) if isinstance(inner, dict) else range(len(inner))
        key = data.draw(st.sampled_from(list(keys)))
        if not isinstance(inner[key], (dict, list)) or data.draw(st.booleans()):
            inner[key] = data.draw(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
            )
            break
        inner = inner[key]
    path = write(tmp_path, document)
    try:
        said = repr(type(read_ios_timing(path)))
    except DeviceError as error:
        said = str(error)
    assert said == repr(IosTiming) or (said.startswith(str(path)) and "\n" not in said)
