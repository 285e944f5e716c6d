"""Qualcomm's NPU emulated: which phones have it, what is said where it cannot be had, and what is kept of a long run.

The library itself is tried in tests/integration/test_npu.py.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_deploy.devices.profile import load_profiles, resolve
from fer_deploy.devices.timing import TimingProtocol
from fer_deploy.devices.transports import htp
from fer_deploy.devices.transports.htp import CHIPS, Answer, HtpTransport, hexagon_of
from fer_deploy.errors import DeviceError
from fer_deploy.targets.artifact import Artifact
from fixtures.lowered import Lower

NPU = CHIPS[3]


def test_every_snapdragon_phone_with_an_npu_that_qnn_drives_has_one() -> None:
    found = {}
    for profile in load_profiles():
        driven = any(one.kind == "npu" and "qnn" in one.delegates for one in profile.accelerators)
        npu = hexagon_of(profile)
        assert (npu is not None) == driven, profile.name
        if npu is not None:
            found[profile.name] = npu.version
    assert found["galaxy-s24"] == 75
    assert found["galaxy-s21"] == 68
    assert "galaxy-s24-exynos" not in found


def test_an_unknown_chip_is_none() -> None:
    profile = resolve("galaxy-s24").profile
    assert hexagon_of(profile.model_copy(update={"soc": "Snapdragon 8 Gen 1999"})) is None


def test_the_chips_are_told_apart_by_executorch_s_own_table() -> None:
    schema = pytest.importorskip("executorch.backends.qualcomm.serialization.qc_schema")
    for one in CHIPS:
        model = schema.QcomChipset[one.part]
        assert model == one.soc_model
        assert schema._soc_info_table[model].htp_info.htp_arch == one.version


def test_what_is_missing_is_said_with_what_adds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = HtpTransport(NPU)
    assert transport.device == "emulated Hexagon v75 (Snapdragon 8 Gen 3)"
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    said = transport.obstacle("onnx") or ""
    assert "needs onnxruntime-qnn" in said
    assert said.endswith("pip install 'fer-deploy[npu]'")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "needs Linux on x86-64" in (transport.obstacle() or "")
    assert "executorch artifacts are not run" in (transport.obstacle("executorch") or "")


def test_no_time_is_given(lowered: Lower) -> None:
    artifact = lowered("onnx", "w8a8-ptq")[0]
    with pytest.raises(DeviceError, match="emulated time is not latency"):
        HtpTransport(NPU).time(artifact, TimingProtocol())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """A library that answers with sums, and how many pictures each of its processes was asked for."""
    numbers: list[int] = []

    def run(_: HtpTransport, __: bytes, inputs: htp.Arrays) -> Answer:
        (pixels,) = inputs.values()
        numbers.append(len(pixels))
        sums = pixels.reshape(len(pixels), -1).sum(axis=1)
        return Answer({"logits": np.stack([sums, -sums], axis=1)}, (), None, 0.1)

    monkeypatch.setenv("FER_DEPLOY_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "1.0")
    monkeypatch.setattr(HtpTransport, "obstacle", lambda *_: None)
    monkeypatch.setattr(HtpTransport, "run", run)
    return numbers


def _pictures(artifact: Artifact, count: int) -> NDArray[np.uint8]:
    shape = (count, *artifact.info.input.shape[1:])
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def test_a_long_run_goes_on_where_it_ended(
    asked: list[int], lowered: Lower, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = lowered("onnx", "w8a8-ptq")[0]
    pixels = _pictures(artifact, 70)
    first = HtpTransport(NPU).logits(artifact, pixels[:40])
    assert asked == [32, 8]
    both = HtpTransport(NPU).logits(artifact, pixels)
    assert asked == [32, 8, 30]
    assert "30 images to run, 40 kept" in capsys.readouterr().err
    np.testing.assert_array_equal(both[:40], first)
    np.testing.assert_array_equal(both[:, 0], pixels.reshape(70, -1).sum(axis=1, dtype=np.float32))
    again = HtpTransport(NPU).logits(artifact, pixels[::-1])
    assert asked == [32, 8, 30]
    np.testing.assert_array_equal(again, both[::-1])
    HtpTransport(CHIPS[0]).logits(artifact, pixels[:1])
    assert asked[3:] == [1], "another NPU's answers are its own"
    kept, _ = sorted((tmp_path / "htp").iterdir(), key=lambda file: -file.stat().st_size)
    kept.write_bytes(b"damaged")
    HtpTransport(NPU).logits(artifact, pixels[:2])
    assert asked[4:] == [2]


def test_the_same_picture_is_run_once(asked: list[int], lowered: Lower) -> None:
    artifact = lowered("onnx", "w8a8-ptq")[0]
    pixels = np.repeat(_pictures(artifact, 1), 5, axis=0)
    assert len(HtpTransport(NPU).logits(artifact, pixels)) == 5
    assert asked == [1]


@pytest.mark.usefixtures("asked")
def test_a_refusal_names_the_artifact(lowered: Lower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HtpTransport, "run", lambda *_, **__: Answer({}, (), "fallback is off", 0.0))
    artifact = lowered("onnx", "w8a8-ptq")[0]
    with pytest.raises(DeviceError, match=r"does not take onnx-w8a8-ptq as a whole: fallback is off"):
        HtpTransport(NPU).logits(artifact, _pictures(artifact, 1))
    with pytest.raises(DeviceError, match="does not open the graph: fallback is off"):
        HtpTransport(NPU).not_taken(artifact.file.read_bytes())


def test_nodes_on_the_cpu_are_named_by_layer_but_for_the_graph_s_ends(
    lowered: Lower, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    artifact = lowered("onnx", "w8a8-ptq")[0]
    graph = onnx.load(artifact.file).graph
    conv = next(node for node in graph.node if node.op_type == "Conv" and "stem" in node.input[2])
    placed = [("QNN", node.op_type, node.name) for node in graph.node if node.name != conv.name]
    placed += [
        ("CPUExecutionProvider", graph.node[-1].op_type, graph.node[-1].name),
        ("CPUExecutionProvider", "Conv", conv.name),
        ("CPUExecutionProvider", "DequantizeLinear", f"{conv.name}_bias_dq"),
        ("CPUExecutionProvider", "Mystery", "x"),
    ]
    monkeypatch.setattr(HtpTransport, "run", lambda *_, **__: Answer({}, tuple(placed), None, 0.0))
    layer = conv.input[2].removesuffix(".bias")
    assert HtpTransport(NPU).not_taken(artifact.file.read_bytes()) == (
        f"Conv {conv.name} ({layer})",
        f"DequantizeLinear {conv.name}_bias_dq ({layer})",
        "Mystery x",
    )


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit('the library fell over')", r"failed \(exit 1\): the library fell over"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", r"failed \(exit -9\): no output"),
        ("pass", r"failed \(exit 0\): no output"),
    ],
)
def test_a_process_that_ends_is_no_crash_of_ours(
    program: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = tmp_path / "runner.py"
    runner.write_text(program)
    monkeypatch.setattr(htp, "RUNNER", runner)
    with pytest.raises(DeviceError, match=said):
        HtpTransport(NPU).run(b"", {})


def test_a_process_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = tmp_path / "runner.py"
    runner.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(htp, "RUNNER", runner)
    monkeypatch.setattr(htp, "_START_SECONDS", 0.5)
    with pytest.raises(DeviceError, match=r"took over [01] s and was stopped"):
        HtpTransport(NPU).run(b"", {})
