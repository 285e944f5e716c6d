"""The C++ runner: built from source here, the same JSON and logits as the Python runtime, clear refusals."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.devices.runners.build import Bundle, build_runner, find_runner, host_arch
from fer_deploy.devices.runners.job import RESULT, golden_pixels, make_job, read_logits, read_result
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports.host import HostTransport, bundle_words
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact
from fixtures.servers import require_program

QUICK = TimingProtocol(warmups=2, min_runs=10, min_seconds=0)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    require_program("g++", "apt-get install g++")
    return build_runner(host_arch(), tmp_path_factory.mktemp("cache -with 'blanks"))


def start(bundle: Bundle, folder: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*bundle_words(bundle), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_same_results_as_the_python_runtime(
    built: Bundle, artifacts: dict[str, Artifact], images: NDArray[np.uint8], tmp_path: Path
) -> None:
    artifact = artifacts["executorch-w8a8-ptq"]
    job = make_job(artifact, tmp_path, images[:20], QUICK)
    (tmp_path / "model.pte").write_bytes(artifact.file.read_bytes())

    done = start(built, tmp_path, job.arguments)

    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(
        read_logits(tmp_path, job, "here"), HostTransport().logits(artifact, images[:20])
    )
    result = read_result(tmp_path, job, "here")
    assert result.runtime_version == artifact.info.versions["executorch"]
    assert len(result.samples_ms) == 10
    assert result.cores
    assert result.peak_memory_bytes is not None or result.peak_memory_reason


def test_it_is_built_once(built: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = built.folder.parent.parent
    monkeypatch.setenv("PATH", "")

    assert build_runner(host_arch(), cache) == built
    assert find_runner(host_arch(), cache) == built


def test_without_a_compiler_the_error_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        DeviceError, match=r"needs the compiler g\+\+; install it, e.g. apt-get install g\+\+"
    ):
        build_runner(host_arch(), tmp_path)
    assert list(tmp_path.rglob("*runner*/*")) == []


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"--model": "absent.pte"}, 3, "ExecuTorch cannot load the program"),
        ({"--model": "inputs.f32"}, 3, "ExecuTorch cannot load the program"),
        ({"--inputs": "absent.f32"}, 2, "cannot read absent.f32"),
        ({"--shape": "1,1,7,7"}, 2, "--inputs does not hold whole images of --shape"),
        ({"--shape": "1,1,24,24"}, 3, "the program failed to run"),
        ({"--shape": "0"}, 2, "whole images"),
        ({"--min-runs": "many"}, 2, "--min-runs must be a number from 0, got many"),
        ({"--cores": "100000"}, 2, "there is no core 100000"),
        ({"--result": "absent/result.json"}, 2, "cannot write absent/result.json"),
    ],
)
def test_faults_are_one_line(
    built: Bundle,
    artifacts: dict[str, Artifact],
    tmp_path: Path,
    change: dict[str, str],
    code: int,
    message: str,
) -> None:
    artifact = artifacts["executorch-float"]
    job = make_job(artifact, tmp_path, golden_pixels(artifact), QUICK)
    (tmp_path / "model.pte").write_bytes(artifact.file.read_bytes())
    arguments = dict(zip(job.arguments[::2], job.arguments[1::2], strict=True)) | change

    done = start(built, tmp_path, tuple(word for pair in arguments.items() for word in pair))

    assert done.returncode == code, done.stderr
    assert message in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / RESULT).exists()


def test_a_missing_argument_is_named(built: Bundle, tmp_path: Path) -> None:
    done = start(built, tmp_path, ("--model", "x"))
    assert done.returncode == 2
    assert done.stderr.strip() == "--inputs is missing"
