"""Android's own ONNX Runtime and ExecuTorch, executed here: ``android_demo/host_runtime``.

The library is the AAR's: that for x86_64, as an emulator runs it, with the demo's code around it, and the phone's for
arm64, under qemu, by its C API. Only libc is glibc. LiteRT's AAR cannot be had: the demo's engine is run in front of
LiteRT's interpreter for Linux, with a stand-in for its Java.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from apps.conftest import REPOSITORY, android_cache
from fer_deploy.devices.timing import TimingProtocol, TimingResult
from fer_deploy.devices.transports.adb import AdbTransport
from fer_deploy.devices.transports.host import HostTransport
from fer_deploy.targets.artifact import GOLDEN_FILE, INFO_FILE, Artifact
from fixtures.adb_lab import AdbLab, adb_lab  # noqa: F401 - a fixture
from fixtures.lowered import Lower

pytestmark = [pytest.mark.apk, pytest.mark.slow]
RECIPES = ("float", "w8a8-ptq")


def _golden(artifact: Artifact) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Return the golden images (N, C, H, W), their logits and how far one may be off."""
    document = json.loads((artifact.folder / GOLDEN_FILE).read_text())
    shape = artifact.info.input.shape[1:]
    pixels = [np.frombuffer(base64.b64decode(one["pixels_base64"]), np.uint8) for one in document["vectors"]]
    logits = np.array([one["logits"] for one in document["vectors"]], np.float32)
    return np.stack(pixels).reshape(-1, *shape).astype(np.float32), logits, document["max_abs_difference"]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("program", ["c_api", pytest.param("c_api_arm64", marks=pytest.mark.qemu)])
def test_the_native_library_gives_the_golden_logits(
    android_runtime: Path, lowered: Lower, program: str, recipe: str, tmp_path: Path
) -> None:
    if not (android_runtime / program).exists():
        pytest.skip("no aarch64 compiler and qemu; tests/integration/setup_qemu.sh sets them up")
    artifact = lowered("onnx", recipe)[0]
    images, wanted, allowed = _golden(artifact)
    images.tofile(tmp_path / "inputs.f32")
    shape = ",".join(map(str, images.shape[1:]))
    done = subprocess.run(
        [android_runtime / program, artifact.file, tmp_path / "inputs.f32", tmp_path / "logits.f32",
         str(wanted.shape[1]), shape],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1.29.0"
    logits = np.fromfile(tmp_path / "logits.f32", np.float32).reshape(wanted.shape)
    assert float(np.abs(logits - wanted).max()) <= allowed


@pytest.mark.parametrize(
    ("target", "recipe", "program", "runtime"),
    [
        ("onnx", "float", "run", "1.29.0"),
        ("onnx", "w8a8-ptq", "run", "1.29.0"),
        ("executorch", "float", "run_executorch", "react-native-executorch 0.8.5"),
        ("executorch", "w8a8-ptq", "run_executorch", "react-native-executorch 0.8.5"),
        ("litert", "float", "run_litert", "1.4.0 for Linux"),
        ("litert", "w8a8-ptq", "run_litert", "1.4.0 for Linux"),
    ],
)
def test_the_app_s_own_benchmark_runs_on_it(
    android_runtime: Path,
    lowered: Lower,
    target: str,
    recipe: str,
    program: str,
    runtime: str,
    tmp_path: Path,
) -> None:
    artifact = lowered(target, recipe)[0]
    images, wanted, allowed = _golden(artifact)
    job, results = tmp_path / "job", tmp_path / "run"
    job.mkdir()
    for file in artifact.folder.iterdir():
        (job / file.name).write_bytes(file.read_bytes())
    images.tofile(job / "inputs.f32")
    protocol = TimingProtocol(warmups=2, min_runs=20, min_seconds=0, threads=2)
    done = subprocess.run(
        [android_runtime / program, job, results, protocol.model_dump_json()],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {file.name for file in results.iterdir()} == {"logits.f32", "result.json"}, done.stderr
    logits = np.fromfile(results / "logits.f32", np.float32).reshape(wanted.shape)
    assert float(np.abs(logits - wanted).max()) <= allowed
    result = TimingResult.model_validate_json((results / "result.json").read_text())
    assert result.runtime_version == f"{runtime} in the Android demo"
    assert len(result.samples_ms) == 20
    assert result.golden_difference is not None
    assert result.golden_difference <= allowed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a model", "LiteRT refuses model.tflite: Model provided has model identifier"),
        (
            None,
            "model.tflite is not what its contract says: its output is FLOAT32 [1, 8], not FLOAT32 [1, 2]",
        ),
    ],
)
def test_what_litert_cannot_run_is_one_sentence(
    android_runtime: Path, lowered: Lower, content: bytes | None, said: str, tmp_path: Path
) -> None:
    """An intact artifact of a file that is no model, and one whose file has other classes than its contract."""
    artifact = lowered("litert", "float")[0]
    job = Path(shutil.copytree(artifact.folder, tmp_path / "job"))
    info, golden = (json.loads((job / name).read_text()) for name in (INFO_FILE, GOLDEN_FILE))
    if content is None:
        classes = len(info["contract"]["labels"])
        info["contract"]["labels"] = info["contract"]["labels"][:2]
        info["output"]["shape"] = [1, 2]
        for vector in golden["vectors"]:
            vector["logits"] = vector["logits"][:2]
        said = said.replace("8", str(classes))
    else:
        (job / "model.tflite").write_bytes(content)
        info["sha256"] = golden["artifact_sha256"] = hashlib.sha256(content).hexdigest()
    for name, document in ((INFO_FILE, info), (GOLDEN_FILE, golden)):
        (job / name).write_text(json.dumps(document))
    _golden(artifact)[0].tofile(job / "inputs.f32")
    subprocess.run([android_runtime / "run_litert", job, tmp_path / "run", ""], check=True, timeout=300)
    assert {file.name for file in (tmp_path / "run").iterdir()} == {"error.txt"}
    assert said in (tmp_path / "run" / "error.txt").read_text()


@pytest.mark.usefixtures("android_runtime")
def test_the_demo_s_line_of_litert_has_every_operator_that_is_written(lowered: Lower) -> None:
    """What bundle takes for granted of LiteRT 1.4: 2.3 writes nothing that it lacks."""
    from ai_edge_litert import schema_py_generated as schema

    from fer_deploy.targets.litert.converter import writer

    model = lowered("litert", "float")[0].file
    sources = [path.read_text() for path in Path(writer.__file__).parent.rglob("*.py")]
    known = {name for name in vars(schema.BuiltinOperator) if name.isupper()}
    # an operator's writer names it in a literal; those of the table of versions alone are written by nothing
    used = {name for text in sources for name in re.findall(r'"([A-Z][A-Z0-9_]+)"(?!: \d)', text)} & known
    pairs = {f"{name}=1" for name in used}
    pairs |= {f"{name}={writer._INT8_VERSIONS[name]}" for name in used & set(writer._INT8_VERSIONS)}
    (runtime,) = android_cache().glob(f"litert-1.4.0-{sys.implementation.cache_tag}")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("litert_operators.py"), model, *sorted(pairs), "CONV_2D=99"],
        env={"PYTHONPATH": str(runtime)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(used) > 70
    assert done.stdout.split() == ["CONV_2D=99"]


@pytest.mark.adb
def test_the_adb_transport_gets_its_answers_from_it(
    android_runtime: Path,
    lowered: Lower,
    adb_lab: AdbLab,  # noqa: F811
) -> None:
    """Played are Android's ``am`` and ``pm`` alone; the rest is a real adbd and what runs in the app."""
    artifact = lowered("onnx", "w8a8-ptq")[0]
    adb_lab.plug(demo=shlex.quote(str(android_runtime / "run")) + ' "$@"\n')
    pixels = np.random.default_rng(0).integers(0, 256, (5, *artifact.info.input.shape[1:]), dtype=np.uint8)
    transport = AdbTransport()

    there = transport.logits(artifact, pixels)
    result = transport.time(artifact, TimingProtocol(warmups=3, min_runs=30, min_seconds=0))

    tolerance = _golden(artifact)[2]
    assert float(np.abs(there - HostTransport().logits(artifact, pixels)).max()) <= tolerance
    assert result.runtime_version == "1.29.0 in the Android demo"
    assert len(result.samples_ms) == 30
    assert adb_lab.storage() == []
    assert adb_lab.demo_results() == []


def test_a_library_that_is_none_is_refused(tmp_path: Path) -> None:
    script = REPOSITORY / "android_demo" / "host_runtime" / "strip_versions.py"
    (tmp_path / "text.so").write_text("no library")
    done = subprocess.run(
        ["python3", script, tmp_path / "text.so", tmp_path / "out.so"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "no 64-bit ELF file" in done.stderr
    assert not (tmp_path / "out.so").exists()
