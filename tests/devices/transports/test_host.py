"""Timing real artifacts in fresh processes."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from fer_deploy.devices.profile import load_profile
from fer_deploy.devices.runners.host_runner import main, time_artifact
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.devices.transports import host
from fer_deploy.devices.transports.host import time_on_host
from fer_deploy.errors import ArtifactError, DeviceError
from fer_deploy.files import sha256_of
from fer_deploy.measure.compiled import missing_runtime
from fer_deploy.measure.latency import runtime_figures
from fer_deploy.measure.measurement import Provenance, Unit
from fer_deploy.targets.artifact import Artifact, open_artifact
from fixtures.lowered import Lower
from fixtures.processes import children

SHORT = TimingProtocol(warmups=2, min_runs=25, min_seconds=0, max_seconds=10)


@pytest.fixture(scope="module", params=["executorch", "onnx"])
def timed(request: pytest.FixtureRequest, lowered: Lower) -> tuple[Artifact, TimingResult]:
    artifact, _ = lowered(request.param, "w8a8-ptq")
    return artifact, time_on_host(artifact, SHORT)


def test_samples_and_cold_start(timed: tuple[Artifact, TimingResult]) -> None:
    _, result = timed
    assert len(result.samples_ms) == 25
    assert all(0 < sample < 1000 for sample in result.samples_ms)
    assert result.load_ms > 0
    assert result.first_ms > 0
    assert result.threads == 1


def test_version_is_the_runtimes(timed: tuple[Artifact, TimingResult]) -> None:
    artifact, result = timed
    name = {"executorch": "executorch", "onnx": "onnxruntime"}[artifact.info.target]
    assert result.runtime_version == artifact.info.versions[name]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_is_the_models_own(timed: tuple[Artifact, TimingResult]) -> None:
    artifact, result = timed
    if result.peak_memory_bytes is None:
        # a kernel or container that does not let VmHWM be reset: no figure, but the reason
        assert result.peak_memory_reason
        assert not Path("/proc/self/clear_refs").exists()
    else:
        assert artifact.info.size_bytes // 4 < result.peak_memory_bytes < 500_000_000


def test_figures_of_a_device(lowered: Lower) -> None:
    artifact, _ = lowered("onnx", "float")
    figures = runtime_figures(artifact, load_profile("host"), SHORT)
    values = [figures.latency_p50, figures.latency_p90, figures.latency_p95, figures.latency_p99]
    assert all(
        figure.provenance is Provenance.MEASURED and figure.unit is Unit.MILLISECONDS for figure in values
    )
    assert [figure.value for figure in values] == sorted(figure.value or 0 for figure in values)
    assert len(figures.latency_p50.samples) == 25
    assert figures.latency_p50.interval is not None
    assert figures.latency_p99.interval is None, "25 samples say nothing of the 99th percentile's interval"
    assert figures.latency_p50.conditions["process"] == "fresh"
    assert figures.latency_p50.conditions["runs"] == "25"
    assert figures.artifact == "onnx-float"
    assert figures.runtime.startswith("ONNX Runtime CPU 1.")


def test_missing_figures_say_why(lowered: Lower) -> None:
    artifact, _ = lowered("onnx", "float")
    device = load_profile("host").model_copy(update={"targets": ("coreml",)})
    assert runtime_figures(artifact, device, SHORT) == missing_runtime(
        artifact, "this machine does not run onnx"
    )
    assert missing_runtime(artifact, "no phone").peak_memory.reason == "no phone"


def test_protocol_stops_at_its_time_limit(lowered: Lower) -> None:
    artifact, _ = lowered("onnx", "float")
    protocol = TimingProtocol(warmups=0, min_runs=10**9, min_seconds=0, max_seconds=0.05)
    result = time_artifact(artifact.folder, protocol)
    assert sum(result.samples_ms) == pytest.approx(50, rel=1)
    longer = TimingProtocol(warmups=0, min_runs=1, min_seconds=0.05, max_seconds=5)
    assert sum(time_artifact(artifact.folder, longer).samples_ms) >= 50


@pytest.fixture
def broken(lowered: Lower, tmp_path: Path) -> Artifact:
    """An artifact whose digests agree but whose model file no runtime can load."""
    folder = Path(shutil.copytree(lowered("onnx", "float")[0].folder, tmp_path / "broken"))
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:500])
    digest = sha256_of(folder / "model.onnx")
    for name, key in (("artifact.json", "sha256"), ("golden.json", "artifact_sha256")):
        document = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(document | {key: digest}))
    return open_artifact(folder)


def test_file_that_the_runtime_refuses(broken: Artifact) -> None:
    refusal = r"model\.onnx is not a model that ONNX Runtime can load"
    message = rf"^timing onnx-float on the host failed \(exit 2\): .*{refusal}"
    with pytest.raises(DeviceError, match=message) as caught:
        time_on_host(broken, SHORT)
    assert "\n" not in str(caught.value)
    assert "Error:" not in str(caught.value).partition("can load")[0]


def test_artifact_damaged_after_it_was_opened(broken: Artifact) -> None:
    broken.file.unlink()
    with pytest.raises(DeviceError, match=r"model file .*model\.onnx does not exist"):
        time_on_host(broken, SHORT)


def test_runner_in_this_process(broken: Artifact, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(str(broken.folder), SHORT.model_dump_json()) == ArtifactError.exit_code
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1


def test_processes_that_start_together_work_one_after_the_other(lowered: Lower, broken: Artifact) -> None:
    artifacts = [lowered("onnx", "float")[0], broken, lowered("executorch", "w8a8-ptq")[0]]
    before = children()
    began = time.monotonic()
    results = host.HostTransport().times(artifacts, SHORT.model_copy(update={"min_seconds": 0.5}))
    first = next(results)
    assert isinstance(first, TimingResult)
    assert len(children() - before) == 2, "the others wait"
    second, third = results
    assert isinstance(second, DeviceError)
    assert re.match(r"timing onnx-float on the host failed \(exit 2\): .*ONNX Runtime can load", str(second))
    assert isinstance(third, TimingResult)
    assert sum(first.samples_ms) >= 500
    assert sum(third.samples_ms) >= 500
    assert time.monotonic() - began > 1.0
    assert third.runtime_version == artifacts[2].info.versions["executorch"]
    assert children() == before


def test_processes_that_nobody_asks_for_end(lowered: Lower) -> None:
    before = children()
    artifact, _ = lowered("onnx", "float")
    results = host.HostTransport().times([artifact, artifact], SHORT)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert children() == before


def test_a_runner_whose_parent_is_gone_times_nothing(
    lowered: Lower, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    artifact, _ = lowered("onnx", "float")
    assert main("--when-told", str(artifact.folder), SHORT.model_dump_json()) == DeviceError.exit_code
    output = capsys.readouterr()
    assert output.out == "ready\n"
    assert "called off" in output.err


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import os; os.abort()", r"failed \(exit -6\): no output"),
        ("print('hello')", "gave no result: "),
        ("pass", r"failed \(exit 0\): no output"),
        ("import time; time.sleep(60)", "took over .* s and was stopped"),
    ],
)
def test_runner_that_crashes_babbles_or_hangs(
    lowered: Lower, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, says: str
) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!{sys.executable}\n{program}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    monkeypatch.setattr(host, "_START_SECONDS", 0.5 if "sleep" in program else 30)
    protocol = SHORT.model_copy(update={"max_seconds": 0.5})
    artifact, _ = lowered("onnx", "float")
    with pytest.raises(DeviceError, match=says) as caught:
        time_on_host(artifact, protocol)
    assert "\n" not in str(caught.value)
    (beside,) = host.HostTransport().times([artifact], protocol)
    assert re.search(says, str(beside))
