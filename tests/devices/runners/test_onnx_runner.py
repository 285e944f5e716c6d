"""The single-file runner as a Raspberry Pi starts it: another process, no fer_deploy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fer_deploy.devices.runners.job import (
    LOGITS,
    ONNX_RUNNER,
    RESULT,
    golden_pixels,
    make_job,
    read_logits,
    read_result,
)
from fer_deploy.devices.runners.onnx_runner import ContentionMeter
from fer_deploy.devices.timing import Contention, TimingProtocol
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact
from fixtures.lowered import Lower

QUICK = TimingProtocol(warmups=2, min_runs=10, min_seconds=0)


@pytest.fixture
def artifact(lowered: Lower) -> Artifact:
    return lowered("onnx", "float")[0]


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -I: neither the working folder nor PYTHONPATH is searched, so fer_deploy could only be the installed one
    return subprocess.run(
        [sys.executable, "-I", str(ONNX_RUNNER), *arguments], cwd=folder, capture_output=True, text=True,
        check=False, env={"HOME": str(folder), "PATH": os.environ["PATH"]},
    )  # fmt: skip


def test_job_and_result(artifact: Artifact, tmp_path: Path) -> None:
    job = make_job(artifact, tmp_path, golden_pixels(artifact), QUICK)
    (tmp_path / "model.onnx").write_bytes(artifact.file.read_bytes())

    done = start(tmp_path, *job.arguments)

    assert done.returncode == 0, done.stderr
    assert len(read_result(tmp_path, job, "pi").samples_ms) == 10
    logits = read_logits(tmp_path, job, "pi")
    golden = json.loads((artifact.folder / "golden.json").read_text())
    expected = np.array([vector["logits"] for vector in golden["vectors"]])
    assert np.abs(logits - expected).max() <= golden["max_abs_difference"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inputs.f32", LOGITS, "model.onnx", RESULT]


def test_it_imports_nothing_but_the_standard_library_numpy_and_onnxruntime() -> None:
    import ast

    names = set()
    for node in ast.walk(ast.parse(ONNX_RUNNER.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).partition(".")[0])
    assert names - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"--model": "absent.onnx"}, 3, "ONNX Runtime cannot load the model"),
        ({"--model": "inputs.f32"}, 3, "ONNX Runtime cannot load the model"),
        ({"--inputs": "absent.f32"}, 2, "does not hold whole images"),
        ({"--shape": "1,1,7,7"}, 2, "does not hold whole images"),
        ({"--cores": "100000"}, 2, "cannot pin to the cores 100000"),
        ({"--logits": "absent/logits.f32"}, 2, "cannot write absent/logits.f32"),
    ],
)
def test_faults_are_one_line(
    artifact: Artifact, tmp_path: Path, change: dict[str, str], code: int, message: str
) -> None:
    job = make_job(artifact, tmp_path, golden_pixels(artifact), QUICK)
    (tmp_path / "model.onnx").write_bytes(artifact.file.read_bytes())
    arguments = dict(zip(job.arguments[::2], job.arguments[1::2], strict=True)) | change

    done = start(tmp_path, *(word for pair in arguments.items() for word in pair))

    assert done.returncode == code
    assert message in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / RESULT).exists()


@pytest.mark.parametrize("shape", [(0, 1, 48, 48), (1, 3, 48, 48), (48, 48)])
def test_pixels_of_another_shape_are_refused(
    artifact: Artifact, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    with pytest.raises(DeviceError, match="reads uint8 images of"):
        make_job(artifact, tmp_path, np.zeros(shape, dtype=np.uint8), None)


def test_using_the_onnx_target_leaves_nothing_in_the_users_cache(artifact: Artifact, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from fer_deploy.targets.registry import get_target; "
    code += "get_target('onnx').open(Path(sys.argv[1]), 1)"
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    subprocess.run([sys.executable, "-c", code, str(artifact.file)], check=True, env=environment)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="what else runs is read from /proc")
def test_a_busy_machine_is_seen() -> None:
    """As many processes as there are processors, and one more, that never rest."""
    spin = "import time\nend = time.time() + 60\nwhile time.time() < end: pass"
    busy = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range((os.cpu_count() or 1) + 1)]
    try:
        time.sleep(0.5)
        meter = ContentionMeter(1)
        end = time.perf_counter() + 1.5
        while time.perf_counter() < end:
            meter.look()
        found = Contention.model_validate(meter.result())
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert found.processors == os.cpu_count()
    assert found.missing == {}
    assert found.others_running is not None
    assert found.others_running > found.processors / 2
    assert found.wait_share is not None
    assert found.wait_share > 0.05
    assert found.steal_share is not None


def test_a_system_that_does_not_tell_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no such file")

    for name in ("_waited_seconds", "_steal_and_all", "_running"):
        monkeypatch.setattr(ContentionMeter, name, staticmethod(refuse))
    monkeypatch.setattr(ContentionMeter, "INTERVAL", 0)
    meter = ContentionMeter(1)
    meter.look()
    found = Contention.model_validate(meter.result())
    assert (found.wait_share, found.others_running, found.steal_share) == (None, None, None)
    assert set(found.missing) == {"wait_share", "others_running", "steal_share"}
    assert all(why == "this system does not tell: no such file" for why in found.missing.values())
